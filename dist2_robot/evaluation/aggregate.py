"""Scores of several tasks and training seeds in one number that few odd runs cannot move.

As in Agarwal 2021 (arXiv 2108.13264): the interquartile mean, and the probability that one method's run beats
another's, with intervals from a bootstrap of the runs of each task (stratified).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 5_000
BOOTSTRAP_SEED = 0

# One entry a task: the scores of its training seeds.
Scores = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Estimate:
    """Attributes: value: Of the runs that there are. interval: 95 % bootstrap interval."""

    value: float
    interval: tuple[float, float]


def interquartile_mean(tasks: Scores) -> Estimate:
    """Return the mean of the middle half of all runs' scores; every run counts alike.

    Raises:
        ValueError: There is no task, or one without a run.
    """
    return _bootstrapped([_check(tasks)], lambda drawn: _middle_half(np.concatenate(drawn[0], axis=-1)))


def mean_of_runs(runs: Sequence[float]) -> Estimate:
    """Return the mean score of a method's runs.

    Raises:
        ValueError: There is no run.
    """
    return _bootstrapped([_check([runs])], lambda drawn: drawn[0][0].mean(-1))


def probability_of_improvement(tasks: Scores, others: Scores) -> Estimate:
    """Return how probably a run of the first method beats a run of the second on a task drawn at random.

    Equal scores count half.

    Raises:
        ValueError: The methods have other numbers of tasks, or a task is without a run.
    """
    first, second = _check(tasks), _check(others)
    if len(first) != len(second):
        raise ValueError(f"the methods were run on {len(first)} and on {len(second)} tasks")

    def share(drawn: list[list[np.ndarray]]) -> np.ndarray:
        beats = [np.sign(a[..., :, None] - b[..., None, :]).mean((-2, -1)) for a, b in zip(*drawn, strict=True)]
        return 0.5 + np.mean(beats, axis=0) / 2

    return _bootstrapped([first, second], share)


def _middle_half(scores: np.ndarray) -> np.ndarray:
    """Return the mean without the lowest and the highest quarter, (...), of scores (..., N)."""
    from scipy.stats import trim_mean

    return trim_mean(scores, 0.25, axis=-1)


def _bootstrapped(
    methods: list[list[np.ndarray]], statistic: Callable[[list[list[np.ndarray]]], np.ndarray]
) -> Estimate:
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    drawn = [
        [runs[generator.integers(len(runs), size=(RESAMPLES, len(runs)))] for runs in tasks]  # (RESAMPLES, seeds)
        for tasks in methods
    ]
    low, high = np.percentile(statistic(drawn), [2.5, 97.5])
    return Estimate(float(statistic(methods)), (float(low), float(high)))


def _check(tasks: Scores) -> list[np.ndarray]:
    if not tasks or any(len(runs) == 0 for runs in tasks):
        raise ValueError("scores need at least one task, and each task at least one run")
    return [np.asarray(runs, dtype=np.float64) for runs in tasks]
