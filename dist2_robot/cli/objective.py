"""What a search over trainings makes small."""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from dist2_robot.evaluation.run_files import load_run


def objective(config: Mapping[str, Any]) -> float | None:
    """Return one number of a finished training, the smaller the better; None if it had nothing to measure by.

    With success checks (``trainer.evaluate_every``): the share of episodes that failed in the last one. Else the mean
    absolute error of held-out actions at the end, in tolerances; of a frame predictor its held-out loss.
    """
    run = load_run(Path(config["output"]))
    checks, validations = run.series("success"), run.series("validation")
    if checks:
        rate = checks[-1]["success_rate"]
        return None if rate is None else 1 - rate
    if not validations:
        return None
    last = validations[-1]
    return fmean(last["action_error_by_step"]) if "action_error_by_step" in last else last["loss"]
