"""Two methods trained from the same seeds: how far apart are their scores, and could it be chance?"""

import math
from collections.abc import Mapping
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


def compare_scores(a: Mapping[int, float], b: Mapping[int, float]) -> PairedScores | None:
    """Compare seed -> score of two methods on the seeds that both have; None if there is none.

    The test is Student's and not Wilcoxon's: with five seeds the smallest p that signed ranks can give is 1/16.
    """
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        return None
    first, second = (np.array([scores[seed] for seed in seeds], dtype=np.float64) for scores in (a, b))
    mean_a, difference = float(first.mean()), float((second - first).mean())
    low, high, effect_size, p_value = _student(second - first)
    scale = abs(mean_a) or math.nan
    return PairedScores(
        n=len(seeds),
        mean_a=mean_a,
        mean_b=float(second.mean()),
        difference=difference,
        interval=(low, high),
        relative=difference / scale,
        relative_interval=(low / scale, high / scale),
        effect_size=effect_size,
        p_value=p_value,
    )


def _student(differences: np.ndarray) -> tuple[float, float, float, float]:
    """Return the 95 % interval of the mean, Cohen's d and p."""
    from scipy.stats import t

    n, mean = len(differences), float(differences.mean())
    if n < 2:
        return -math.inf, math.inf, math.nan, 1.0
    spread = float(differences.std(ddof=1))
    if spread == 0:  # as without any noise
        return mean, mean, math.copysign(math.inf, mean) if mean else 0.0, 0.0 if mean else 1.0
    half = float(t.ppf(0.975, n - 1)) * spread / math.sqrt(n)
    p_value = 2 * float(t.sf(abs(mean) / spread * math.sqrt(n), n - 1))
    return mean - half, mean + half, mean / spread, p_value
