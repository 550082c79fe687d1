"""The runs that a config lists."""

from collections.abc import Sequence
from pathlib import Path

from dist2_robot.errors import InputError
from dist2_robot.evaluation.run_files import RunFiles, load_run


def load_runs(folders: Sequence[str] | str, evaluation: str) -> list[RunFiles]:
    """Load the result files of run folders, each with the evaluation in its folder of that name."""
    folders = [folders] if isinstance(folders, str) else list(folders)
    if not folders:
        raise InputError("no run is named: give runs=[FOLDER,...]")
    return [load_run(Path(folder), Path(folder) / evaluation) for folder in folders]
