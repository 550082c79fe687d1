"""A while in which a demonstrator does the wrong thing. A action dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STRENGTH = 0.5  # of what is added to actions, in half ranges
HELD_STEPS = 10  # before another one is drawn
LATEST_BEGIN, LONGEST = 40, 80  # steps


@dataclass(frozen=True)
class Lapse:
    """Adds an offset that stays for `HELD_STEPS` to the expert's actions, over some steps of an episode.

    Attributes:
        begin, end: From which step on, and until before which.
        offsets: (E, A), one after the other.
    """

    begin: int
    end: int
    offsets: np.ndarray

    def __call__(self, step: int, action: np.ndarray) -> np.ndarray:
        """Return what is done at a step in place of the expert's action (A,)."""
        if not self.begin <= step < self.end:
            return action
        return action + self.offsets[(step - self.begin) // HELD_STEPS]


def draw_lapse(rng: np.random.Generator, half_ranges: Sequence[float] | np.ndarray) -> Lapse:
    """Draw when it begins, how long it lasts, and what is done in it.

    Args:
        rng: Of all draws.
        half_ranges: Of the action's dimensions, (A,).
    """
    begin, length = int(rng.integers(LATEST_BEGIN)), 1 + int(rng.integers(LONGEST))
    count = -(-length // HELD_STEPS)
    offsets = STRENGTH * np.asarray(half_ranges) * rng.uniform(-1, 1, (count, len(half_ranges)))
    return Lapse(begin, begin + length, offsets)
