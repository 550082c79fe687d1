"""Temporal ensembling: an action is the average of what all chunks say of its moment (Zhao 2023, ACT, section IV-A).

Values are averaged, never tokens; of grippers the newest chunk decides; angles are averaged the short way round.

T steps of a chunk, A action dimensions.
"""

from collections import deque

import numpy as np

from dist2_robot.actions.spec import ActionSpec


class TemporalEnsemble:
    """The chunks of one episode, oldest first.

    Args:
        spec: Which dimensions are grippers, and which wrap.
        decay: A chunk weighs ``exp(-decay * i)``, i counted from the oldest: 0 for a plain mean, 0.01 as published;
            negative to trust the newest most.
    """

    def __init__(self, spec: ActionSpec, decay: float) -> None:
        if not np.isfinite(decay):
            raise ValueError(f"the decay of a temporal ensemble must be a finite number, got {decay}")
        self._decay = decay
        self._periods = np.array([d.high - d.low if d.wraps else np.inf for d in spec.dimensions])
        self._low = np.array([d.low for d in spec.dimensions])
        self._newest_decides = np.array([d.kind == "gripper" or d.constant is not None for d in spec.dimensions])
        self._chunks: deque[np.ndarray] = deque()  # what each still says, from the present step on

    def committed(self) -> dict[str, np.ndarray]:
        """Return nothing: what the next chunk says of a step always counts."""
        return {}

    def blend(self, chunk: np.ndarray, executed: int) -> np.ndarray:
        """Take in the newest chunk (T, A) and return the actions for its steps, (T, A).

        Args:
            chunk: What the policy wants from the present step on.
            executed: How many actions were executed since the last chunk.
        """
        self._chunks = deque(older[executed:] for older in self._chunks if len(older) > executed)
        self._chunks.append(chunk)
        weights = np.exp(-self._decay * np.arange(len(self._chunks)))
        total, weight = np.zeros_like(chunk, dtype=np.float64), np.zeros((len(chunk), 1))
        for older, w in zip(self._chunks, weights, strict=True):
            here = slice(len(older))
            total[here] += w * _short_way(older - chunk[here], self._periods)
            weight[here] += w
        blended = chunk + total / weight
        wraps = np.isfinite(self._periods)
        blended[:, wraps] = self._low[wraps] + np.mod(blended[:, wraps] - self._low[wraps], self._periods[wraps])
        return np.where(self._newest_decides, chunk, blended).astype(chunk.dtype)


def _short_way(difference: np.ndarray, periods: np.ndarray) -> np.ndarray:
    wraps = np.isfinite(periods)
    difference = difference.astype(np.float64)
    difference[:, wraps] = (difference[:, wraps] + periods[wraps] / 2) % periods[wraps] - periods[wraps] / 2
    return difference
