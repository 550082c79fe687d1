"""What a policy with a history is shown: the present and earlier moments, a period of the policy apart."""

from collections import deque
from collections.abc import Mapping

import numpy as np


class Moments:
    """The last readings of the control loop.

    Args:
        names: Features that the policy looks at.
        history: How many moments it sees at once, K.
        period_s: Between two of them.
    """

    def __init__(self, names: tuple[str, ...], history: int, period_s: float) -> None:
        self._names, self._history, self._period_s = names, history, period_s
        self._seen: deque[tuple[float, dict[str, np.ndarray]]] = deque()

    def clear(self) -> None:
        """Forget what was seen: a new episode begins."""
        self._seen.clear()

    def add(self, time_s: float, features: Mapping[str, np.ndarray]) -> None:
        """Take in what is seen at a time."""
        self._seen.append((time_s, {name: features[name] for name in self._names if name in features}))
        oldest = time_s - (self._history - 1) * self._period_s
        while len(self._seen) > 1 and self._seen[1][0] <= oldest + 1e-6:
            self._seen.popleft()

    def shown(self) -> dict[str, np.ndarray]:
        """Return the features of the present moment; with a history (K, ...), oldest first. Before the first moment of
        an episode that one is shown again, as in training."""
        now = self._seen[-1][0]
        if self._history == 1:
            return self._seen[-1][1]
        moments = [self._at(now - k * self._period_s) for k in reversed(range(self._history))]
        return {name: np.stack([moment[name] for moment in moments]) for name in moments[-1]}

    def _at(self, time_s: float) -> dict[str, np.ndarray]:
        earlier = [features for seen_s, features in self._seen if seen_s <= time_s + 1e-6]
        return earlier[-1] if earlier else self._seen[0][1]
