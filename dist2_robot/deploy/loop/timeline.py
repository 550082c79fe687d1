"""What the policy wants, over time: chunks put one after the other, read at any rate.

Times here are *play times*, in s: they run like the clock while the robot follows the policy, slower where it is slowed
down, and stand still while it holds. A step k of a chunk is meant for the play time of its observation plus k periods;
between steps values are interpolated, angles that wrap the short way round.

T steps of a chunk, A action dimensions, P committed steps.
"""

import math
from dataclasses import dataclass

import numpy as np

from dist2_robot.actions.spec import ActionSpec


@dataclass(frozen=True)
class _Piece:
    """A chunk (T, A) whose step 0 is meant for a play time."""

    start_s: float
    actions: np.ndarray


@dataclass(frozen=True)
class _Change:
    """How far one chunk was from the next, (A,), at the play time at which that took over."""

    difference: np.ndarray
    switch_s: float


class Timeline:
    """The newest chunk, and how far the ones before it were from it, for as long as that is blended.

    Wanted is the newest chunk plus what is left of each change to a new one: all of it when the chunk takes over, less
    and less until the blend is over. So what is wanted never jumps, also where a chunk comes in the middle of a blend,
    and where chunks agree it is exactly what they say.

    Args:
        spec: What an action is, and how many there are a second.
        blend_s: How long it takes to go over from one chunk to the next; of grippers the newest decides at once.
    """

    def __init__(self, spec: ActionSpec, blend_s: float = 0.1) -> None:
        self.period_s, self.blend_s = 1 / spec.rate_hz, blend_s
        turns = [d.wraps and d.constant is None for d in spec.dimensions]  # a constant is played as it was recorded
        self._periods = np.array([d.high - d.low if x else np.inf for d, x in zip(spec.dimensions, turns, strict=True)])
        self._low = np.array([d.low for d in spec.dimensions])
        self._ranges = np.array([d.high - d.low for d in spec.dimensions])
        self._is_gripper = np.array([d.kind == "gripper" for d in spec.dimensions])
        self._newest: _Piece | None = None
        self._changes: list[_Change] = []  # that are still blended

    def clear(self) -> None:
        """Forget all chunks."""
        self._newest, self._changes = None, []

    def put(self, actions: np.ndarray, start_s: float, switch_s: float) -> float:
        """Go over to a chunk (T, A).

        Args:
            actions: The chunk; finite.
            start_s: The play time for which its step 0 is meant.
            switch_s: The play time from which on it decides: the present, or the end of what is committed.

        Returns:
            How far it is, at that time, from what would have been played, as the largest difference of a dimension in
            shares of its range; 0 where nothing would have been.
        """
        before, older, newest = self.at(switch_s), self._newest, _Piece(start_s, np.asarray(actions))
        self._newest = newest
        if before is None or older is None:
            self._changes = []
            return 0.0
        value = self._value(newest, switch_s)
        difference = np.where(self._is_gripper, 0.0, self._short_way(self._value(older, switch_s) - value))
        self._changes = [change for change in self._changes if self._left_of(change, switch_s) > 0]
        self._changes.append(_Change(difference, switch_s))
        return float(np.abs(self._short_way(value - before) / self._ranges).max())

    def ends_s(self) -> float:
        """Return the play time from which on nothing is planned."""
        newest = self._newest
        return -math.inf if newest is None else newest.start_s + len(newest.actions) * self.period_s

    def at(self, play_s: float) -> np.ndarray | None:
        """Return what is wanted at a play time, (A,), or None where nothing is planned for it."""
        if self._newest is None or not self._newest.start_s - 1e-9 <= play_s < self.ends_s():
            return None
        wanted = self._value(self._newest, play_s)
        for change in self._changes:
            if left := self._left_of(change, play_s):
                wanted = self._wrapped(wanted + left * change.difference)
        return wanted

    def prefix(self, start_s: float, until_s: float) -> np.ndarray:
        """Return what is wanted at the steps of a chunk of a play time that begin before another, (P, A)."""
        count = max(0, math.ceil((until_s - start_s) / self.period_s - 1e-9))
        steps = []
        for k in range(count):
            value = self.at(start_s + k * self.period_s)
            if value is None:
                break
            steps.append(value)
        return np.stack(steps) if steps else np.zeros((0, len(self._low)))

    def step_index(self, play_s: float) -> int:
        """Return which step of the newest chunk is played at a play time."""
        assert self._newest is not None
        return min(max(int((play_s - self._newest.start_s) / self.period_s + 1e-9), 0), len(self._newest.actions) - 1)

    def _left_of(self, change: _Change, play_s: float) -> float:
        """Return which share of a change is not blended yet, from 1 to 0."""
        return 0.0 if self.blend_s <= 0 else min(max(1 - (play_s - change.switch_s) / self.blend_s, 0.0), 1.0)

    def _value(self, piece: _Piece, play_s: float) -> np.ndarray:
        """Return a chunk's value at a play time, (A,); its first and last steps go on forever."""
        place = min(max((play_s - piece.start_s) / self.period_s, 0.0), len(piece.actions) - 1.0)
        before = math.floor(place)
        a = piece.actions[before].astype(np.float64)
        b = piece.actions[min(before + 1, len(piece.actions) - 1)]
        return self._wrapped(a + (place - before) * self._short_way(b - a))

    def _short_way(self, difference: np.ndarray) -> np.ndarray:
        finite = np.where(np.isfinite(self._periods), self._periods, 1.0)
        short = (difference + finite / 2) % finite - finite / 2
        return np.where(np.isfinite(self._periods), short, difference)

    def _wrapped(self, values: np.ndarray) -> np.ndarray:
        finite = np.where(np.isfinite(self._periods), self._periods, 1.0)
        return np.where(np.isfinite(self._periods), self._low + (values - self._low) % finite, values)
