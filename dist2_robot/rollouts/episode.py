"""What became of one simulated episode."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Outcome = Literal["success", "failure", "error"]


@dataclass(frozen=True)
class EpisodeResult:
    """One episode, from its seed to its end.

    Attributes:
        index: Its place in the list of seeds.
        seed: What the environment was reset with.
        outcome: ``success`` if any step succeeded; ``error`` if the simulation broke, so that nothing can be said.
        steps: Actions executed.
        success_step: How many actions the first success took, or None.
        success_at_end: Whether the last step was a success too.
        jerk: How rough the executed actions were, see `jerk`; NaN for fewer than four of them.
        message: What went wrong, empty if nothing.
        episode_return: Sum of the rewards; NaN where one of them was not finite.
        progress: What the environment measures, name -> largest and last value of the episode.
        start: Numeric features of the first observation, name -> S numbers; empty where there was none.
        frames: Pictures (F, height, width, 3) of a filmed episode, else None.
        frames_hz: Pictures per second of simulated time.
    """

    index: int
    seed: int
    outcome: Outcome
    steps: int
    success_step: int | None
    success_at_end: bool
    jerk: float
    message: str = ""
    episode_return: float = float("nan")
    progress: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    start: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    frames: np.ndarray | None = None
    frames_hz: float = 0.0


def measured(info: Mapping[str, Any]) -> dict[str, float]:
    """Return what an environment measures in a step: the entries of ``info`` that are one finite number each.

    Whether something is so is no measure of how far, and is left out.
    """
    found = {}
    for name, value in info.items():
        x = np.asarray(value) if isinstance(value, int | float | np.generic | np.ndarray) else np.empty(2)
        if x.shape == () and x.dtype.kind in "iuf" and np.isfinite(x):
            found[str(name)] = float(x)
    return found


def jerk(actions: np.ndarray, tolerances: np.ndarray) -> float:
    """Return the mean squared third difference of actions (T, A), in units of tolerance (A,) per cubic step.

    For delta actions it is the difference of the deltas, one order higher than that of positions.
    """
    if len(actions) < 4:
        return float("nan")
    return float(np.square(np.diff(actions / tolerances, n=3, axis=0)).mean())
