"""The runs that a config lists."""

from collections.abc import Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path

from dist2_robot.errors import InputError
from dist2_robot.evaluation.run_files import RunFiles, load_run

EVALUATION = "eval"


def load_runs(folders: Sequence[str] | str, evaluation: Sequence[str] | str | None = None) -> list[RunFiles]:
    """Load the result files of run folders or patterns like ``runs/*``, each with the evaluation of that name in it.

    With several evaluations a run is loaded once with each, and called by its name and that of the evaluation.
    """
    evaluations = [evaluation or EVALUATION] if isinstance(evaluation, str | None) else list(map(str, evaluation))
    if not evaluations or len(set(evaluations)) < len(evaluations):
        raise InputError(f"evaluation must be a name, or several different ones in a [list], got {evaluations}")
    patterns = [folders] if isinstance(folders, str) else list(folders)
    folders = []
    for pattern in patterns:  # Path.glob takes no absolute ones
        found = [path for path in sorted(glob(pattern)) if Path(path).is_dir()]  # noqa: PTH207
        folders += found if "*" in pattern else [pattern]
    if not folders:
        raise InputError("no run is named: give runs=[FOLDER,...]")
    runs = []
    for folder in folders:
        for name in evaluations:
            run = load_run(Path(folder), Path(folder) / name)
            runs.append(run if len(evaluations) == 1 else replace(run, name=f"{run.name}, {name}"))
    return runs
