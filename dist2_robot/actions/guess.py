"""What recorded numbers look like, where nobody tells. N frames, A numbers."""

from collections.abc import Sequence

import numpy as np

from dist2_robot.actions.spec import ActionDimension, Kind

RANGE_MARGIN = 0.05  # of the range, on either side
TWO_VALUED_ROWS = 50  # fewer frames may have two values by chance


def is_gripper(name: str) -> bool:
    """Tell by its name whether a number opens and shuts something."""
    return any(part in name.lower() for part in ("grip", "jaw"))


def is_two_valued(column: np.ndarray) -> bool:
    """Tell whether a column (N,) goes to and fro between two values, so that their average means nothing."""
    low, high = column.min(), column.max()
    return len(column) >= TWO_VALUED_ROWS and bool(low < high) and bool(((column == low) | (column == high)).all())


def guess_dimensions(columns: np.ndarray, names: Sequence[str], units: Sequence[str]) -> tuple[ActionDimension, ...]:
    """Return dimensions with the range that was recorded, (N, A), and a margin of 5 % on either side.

    A number that never moved gets a small range around its value. Percent ends at 100. What is called a gripper, or
    takes two values only, is a gripper, and so never averaged; all else is a joint.
    """
    low, high = columns.min(axis=0), columns.max(axis=0)
    width = np.maximum(high - low, 1e-3 * np.maximum(1.0, np.abs(low)))
    found = []
    for i, (name, unit) in enumerate(zip(names, units, strict=True)):
        kind: Kind = "gripper" if is_gripper(name) or is_two_valued(columns[:, i]) else "joint"
        least, most = float(low[i] - RANGE_MARGIN * width[i]), float(high[i] + RANGE_MARGIN * width[i])
        if unit == "%" and low[i] >= -100 and high[i] <= 100:
            least, most = max(least, -100.0 if low[i] < 0 else 0.0), min(most, 100.0)
        found.append(ActionDimension(name, kind, unit, least, most))
    return tuple(found)
