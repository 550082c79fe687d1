"""Is the error that a policy expects the error that it makes? N moments, A action dimensions, both in tolerances."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dist2_robot.errors import InputError
from dist2_robot.evaluation.style import MUTED, STYLE, SURFACE, series_color, series_marker

BINS = 10
DPI = 130


@dataclass(frozen=True)
class Calibration:
    """What was expected against what came, of one or of all action dimensions.

    Attributes:
        expected: (K,), mean expected error of each bin; bins hold equally many moments, in the order of expectation.
        actual: (K,), mean real error of each bin.
        counts: (K,), moments of each bin.
        ratio: Mean real error over mean expected error: above 1 the policy trusts itself too much.
        slope: Of the least-squares line of real on expected errors; 1 where they rise together.
        correlation: Pearson's, of the moments; NaN where nothing varies.
        calibration_error: Mean over the moments of ``|actual - expected|`` of their bins, in tolerances.
    """

    expected: tuple[float, ...]
    actual: tuple[float, ...]
    counts: tuple[int, ...]
    ratio: float
    slope: float
    correlation: float
    calibration_error: float


def calibration(expected: np.ndarray, actual: np.ndarray, bins: int = BINS) -> Calibration:
    """Compare expected with real errors (N, A) or (N,), all numbers taken together; a column for one dimension.

    Args:
        expected: In tolerances, `ActionChunk.expected_error` over the tolerances of the spec.
        actual: In tolerances, the short way round where a dimension wraps.
        bins: At most so many, fewer where there are fewer numbers.

    Raises:
        InputError: Shapes differ, there is no number, or one is negative or not finite.
    """
    expected, actual = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
    if expected.shape != actual.shape or not expected.size:
        raise InputError(f"calibration needs as many expected as real errors, got {expected.shape} and {actual.shape}")
    if not all(np.isfinite(errors).all() and (errors >= 0).all() for errors in (expected, actual)):
        raise InputError("calibration needs errors that are finite and not negative")
    expected, actual = expected.ravel(), actual.ravel()
    order = np.argsort(expected, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    means = np.array([[expected[part].mean(), actual[part].mean()] for part in parts])  # (K, 2)
    counts = np.array([len(part) for part in parts])
    spread, covariance = expected.var(), np.mean((expected - expected.mean()) * (actual - actual.mean()))
    return Calibration(
        expected=tuple(means[:, 0].tolist()),
        actual=tuple(means[:, 1].tolist()),
        counts=tuple(counts.tolist()),
        ratio=_over(actual.mean(), expected.mean()),
        slope=_over(covariance, spread),
        correlation=_over(covariance, np.sqrt(spread * actual.var())),
        calibration_error=float(np.average(np.abs(means[:, 1] - means[:, 0]), weights=counts)),
    )


def write_calibration_picture(
    expected: np.ndarray, actual: np.ndarray, names: Sequence[str], path: Path, bins: int = BINS
) -> Path:
    """Write a PNG: real against expected errors (N, A) in tolerances, one line a dimension, and the diagonal."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    found = [calibration(expected[:, a], actual[:, a], bins) for a in range(len(names))]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.8, 4.0), facecolor=SURFACE)
        axes = figure.add_subplot()
        end = max(max(*each.expected, *each.actual) for each in found) * 1.05 or 1.0
        axes.plot([0, end], [0, end], color=MUTED, linewidth=1.0, linestyle="--", label="as expected")
        for a, (name, each) in enumerate(zip(names, found, strict=True)):
            look = {"color": series_color(a), "marker": series_marker(a), "markersize": 4.0}
            axes.plot(each.expected, each.actual, label=f"{name} (x {each.ratio:.2f})", **look)
        axes.set(xlim=(0, end), ylim=(0, end))
        axes.set_xlabel("expected error (tolerances)")
        axes.set_ylabel("real error (tolerances)")
        axes.set_title("Does it know how far off it is?")
        axes.legend(loc="upper left")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI, facecolor=SURFACE)
    return path


def _over(above: float, below: float) -> float:
    return float(above / below) if below > 0 else float("nan")
