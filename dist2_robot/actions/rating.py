"""How far a task got, as numbers to be predicted: a score of 0 to 20, and 0 to 4 for each of its stages.

Whoever predicts them is an ordinary policy, whose action is the rating.
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.errors import InputError

RATING = "rating"  # feature of a dataset, and of which spec
SCORE = "score"  # the first dimension
MOST, MOST_OF_STAGE = 20, 4
_ROUNDING = 1e-9  # three thirds must not be a little less than all


def rating_spec(stages: Iterable[str], rate_hz: float) -> ActionSpec:
    """Return what a rating is: whole numbers, each in the middle of a bin of width 1.

    Args:
        stages: Of the task, by name.
        rate_hz: Moments a second.

    Raises:
        InputError: There is no stage.
    """
    names = list(stages)
    if not names:
        raise InputError("a task without stages cannot be rated")
    most = {SCORE: MOST} | dict.fromkeys(names, MOST_OF_STAGE)
    dimensions = [
        ActionDimension(name, "score", "points", -0.5, number + 0.5, tolerance=1.0) for name, number in most.items()
    ]
    return ActionSpec(tuple(dimensions), "absolute", rate_hz, "environment")


def to_rating(shares: Mapping[str, float]) -> np.ndarray:
    """Return the rating (1 + stages,) of the shares, 0 to 1, that are done: the score is that of their mean.

    Shares are cut off to whole points, so that the top is reached only where all is done.
    """
    done = list(shares.values())
    points = [_points(sum(done) / len(done), MOST), *(_points(share, MOST_OF_STAGE) for share in done)]
    return np.array(points, np.float32)


def _points(share: float, most: int) -> int:
    return math.floor(most * share + _ROUNDING)
