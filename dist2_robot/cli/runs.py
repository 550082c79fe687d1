"""The runs that a config lists."""

from collections.abc import Sequence
from glob import glob
from pathlib import Path

from dist2_robot.errors import InputError
from dist2_robot.evaluation.run_files import RunFiles, load_run


def load_runs(folders: Sequence[str] | str, evaluation: str) -> list[RunFiles]:
    """Load the result files of run folders or patterns like ``runs/*``, each with the evaluation of that name in it."""
    patterns = [folders] if isinstance(folders, str) else list(folders)
    folders = []
    for pattern in patterns:  # Path.glob takes no absolute ones
        found = [path for path in sorted(glob(pattern)) if Path(path).is_dir()]  # noqa: PTH207
        folders += found if "*" in pattern else [pattern]
    if not folders:
        raise InputError("no run is named: give runs=[FOLDER,...]")
    return [load_run(Path(folder), Path(folder) / evaluation) for folder in folders]
