"""Going slowly to where the policy begins. A action dimensions."""

import numpy as np


class Ramp:
    """Positions on the way from where a robot stands to a goal.

    Args:
        start: Where it stands, (A,).
        goal: Where it is to go, (A,).
        step: How far each dimension may go in a tick, (A,), positive.
    """

    def __init__(self, start: np.ndarray, goal: np.ndarray, step: np.ndarray) -> None:
        self.position, self.goal, self._step = start, goal, step

    @property
    def is_over(self) -> bool:
        """Whether its position is the goal."""
        return bool((self.position == self.goal).all())

    def advance(self) -> np.ndarray:
        """Go on by a tick; return how far that was, (A,)."""
        way = np.clip(self.goal - self.position, -self._step, self._step)
        is_last = np.abs(self.goal - self.position) <= self._step  # adding what is left need not give the goal
        self.position = np.where(is_last, self.goal, self.position + way)
        return way
