"""Two methods trained from the same seeds: how far apart are their scores, and could it be chance?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PairedScores:
    """Attributes:
    n: Seeds that both have.
    mean_a, mean_b: Of the two methods, over those seeds.
    difference: ``mean_b - mean_a``.
    interval: 95 %, Student's t; infinite for less than two seeds.
    relative: The difference over the size of mean_a.
    relative_interval: The same of the interval.
    effect_size: Cohen's d of paired differences: their mean over their standard deviation. With n seeds it is
        ``t / sqrt(n)``, and large as soon as a small difference is a steady one.
    p_value: Two-sided, paired t-test; 1 for less than two seeds.
    """

    n: int
    mean_a: float
    mean_b: float
    difference: float
    interval: tuple[float, float]
    relative: float
    relative_interval: tuple[float, float]
    effect_size: float
    p_value: float


def compare_scores(
    a: Mapping[int, float], b: Mapping[int, float], weights: Mapping[int, float] | None = None
) -> PairedScores | None:
    """Compare seed -> score of two methods on the seeds that both have; None if there is none.

    The test is Student's and not Wilcoxon's: with five seeds the smallest p that signed ranks can give is 1/16.

    Args:
        a: Of the first method.
        b: Of the second.
        weights: How much each seed counts, as for means of unequally many numbers; None for all alike.
    """
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        return None
    first, second = (np.array([scores[seed] for seed in seeds], dtype=np.float64) for scores in (a, b))
    shares = np.array([1.0 if weights is None else weights[seed] for seed in seeds], dtype=np.float64)
    mean_a, difference = float(np.average(first, weights=shares)), float(np.average(second - first, weights=shares))
    low, high, effect_size, p_value = _student(second - first, shares)
    scale = abs(mean_a) or math.nan
    return PairedScores(
        n=len(seeds),
        mean_a=mean_a,
        mean_b=float(np.average(second, weights=shares)),
        difference=difference,
        interval=(low, high),
        relative=difference / scale,
        relative_interval=(low / scale, high / scale),
        effect_size=effect_size,
        p_value=p_value,
    )


def mean_interval(values: Sequence[float], weights: Sequence[float] | None = None) -> tuple[float, float]:
    """Return the 95 % interval of a mean, Student's t as in `compare_scores`; infinite for less than two values."""
    shares = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    low, high, _, _ = _student(np.asarray(values, dtype=np.float64), shares)
    return low, high


def _student(differences: np.ndarray, weights: np.ndarray) -> tuple[float, float, float, float]:
    """Return the 95 % interval of the weighted mean, Cohen's d and p.

    A weighted mean is a ratio of sums over episodes, whose standard error is ``sqrt(n / (n - 1) sum_i (w_i (x_i -
    mean))^2) / sum_i w_i`` (Cochran 1977, section 6.4); with equal weights it is the usual one.
    """
    from scipy.stats import t

    n = len(differences)
    mean = float(np.average(differences, weights=weights)) if n else math.nan
    if n < 2:
        return -math.inf, math.inf, math.nan, 1.0
    around = weights * (differences - mean)
    error = math.sqrt(n / (n - 1) * float(np.square(around).sum())) / float(weights.sum())
    spread = error * math.sqrt(n)
    if spread == 0:  # as without any noise
        return mean, mean, math.copysign(math.inf, mean) if mean else 0.0, 0.0 if mean else 1.0
    half = float(t.ppf(0.975, n - 1)) * error
    p_value = 2 * float(t.sf(abs(mean) / error, n - 1))
    return mean - half, mean + half, mean / spread, p_value
