"""The way round a disc, left or right of it, as seen from above."""

import numpy as np

LEFT, RIGHT = 0, 1  # as seen on the way


def detour(
    position: np.ndarray, goal: np.ndarray, obstacle: np.ndarray, radius_m: float, side: int
) -> np.ndarray | None:
    """Return the direction (2,), of length 1, along a tangent to a circle round the obstacle, None where it is free."""
    to_obstacle, to_goal = obstacle - position, goal - position
    if _is_clear(to_obstacle, to_goal, radius_m):
        return None
    turn = np.arcsin(min(1.0, radius_m / np.hypot(*to_obstacle))) * (1 if side == LEFT else -1)
    heading = np.arctan2(to_obstacle[1], to_obstacle[0]) + turn
    return np.array([np.cos(heading), np.sin(heading)])


def _is_clear(to_obstacle: np.ndarray, to_goal: np.ndarray, radius: float) -> bool:
    """Tell whether the straight way to the goal leads away from the obstacle, or past it at that radius or more."""
    along = to_obstacle @ to_goal
    beside = to_obstacle[0] * to_goal[1] - to_obstacle[1] * to_goal[0]
    length = np.hypot(*to_goal)
    return bool(along <= 0 or abs(beside) >= radius * length or along >= length**2 + radius * length)
