"""The picture of a claim: error by size for every method, and each sweep beside it. From its results alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dist2_robot.claims.claim import CORE, Measure
from dist2_robot.claims.results import ClaimResults
from dist2_robot.evaluation.aggregate import mean_of_runs
from dist2_robot.evaluation.style import (
    MARKERS,
    MUTED,
    STYLE,
    SURFACE,
    label_rows,
    log_scale,
    series_color,
    series_marker,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 120
ROW_IN = 0.25
ACROSS = 3  # panels beside each other; a page is no wider
FEW = 3  # from so many sizes on a part is drawn as curves


def write_claim_picture(results: ClaimResults, path: Path) -> bool:
    """Draw a panel for each part that has results; return whether there was one."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    parts = [part for part in results.parts if results.sizes(part)]
    if not parts:
        return False
    rows = max([12] + [len(results.methods(part)) for part in parts])
    style: dict[Any, Any] = STYLE
    with mpl.rc_context(style):
        across, down = min(len(parts), ACROSS), -(-len(parts) // ACROSS)
        figure = Figure(figsize=(4.6 * across, (1.0 + ROW_IN * rows) * down), facecolor=SURFACE)
        panels = list(figure.subplots(down, across, squeeze=False).flat)
        for axes, part in zip(panels, parts, strict=False):
            draw = _draw_curves if len(results.sizes(part)) >= FEW else _draw_dots
            draw(axes, results, part, _measure_of(results, part))
        for axes in panels[len(parts) :]:
            axes.set_visible(False)
        figure.savefig(path, dpi=DPI, facecolor=SURFACE)
    return True


def _measure_of(results: ClaimResults, part: str) -> Measure:
    """Return the first measure that a part has."""
    row = next(row for row in results.rows if row["part"] == part)
    return next(measure for measure in results.measures if measure.name in row)


def _draw_curves(axes: "Axes", results: ClaimResults, part: str, measure: Measure) -> None:
    """Draw one line a method over the sizes; the reference is dashed."""
    from matplotlib.ticker import NullLocator

    for index, method in enumerate(results.methods(part)):
        points = []
        for size in results.sizes(part):
            if scores := results.scores(part, method, size, measure.name):
                estimate = mean_of_runs(list(scores.values()))
                points.append((size, estimate.value, *estimate.interval))
        if not points:
            continue
        sizes, means, lows, highs = zip(*points, strict=True)
        is_subject = method in results.subjects
        axes.plot(
            sizes,
            means,
            label=method,
            color=series_color(index),
            marker=series_marker(index),
            markersize=4,
            linestyle="--" if method == results.reference else "-" if index < len(MARKERS) else ":",
            linewidth=2.2 if is_subject else 1.0,
        )
        if is_subject or method == results.reference:
            axes.fill_between(sizes, lows, highs, color=series_color(index), alpha=0.12, linewidth=0)
    log_scale(axes, "x", "y")
    axes.set_xticks(results.sizes(part), [f"{size:g}" for size in results.sizes(part)])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="y", which="minor", labelsize=7)
    axes.set_xlabel(results.size_name)
    axes.set_title(f"{part}: {measure.name}")
    axes.legend(loc="best", fontsize=7)


def _draw_dots(axes: "Axes", results: ClaimResults, part: str, measure: Measure) -> None:
    """Draw one dot a method with its interval, at the largest size; the line is the reference of the core."""
    size = results.sizes(part)[-1]
    scored = {method: results.scores(part, method, size, measure.name) for method in results.methods(part)}
    names = [method for method, scores in scored.items() if scores]
    for row, method in enumerate(names):
        estimate = mean_of_runs(list(scored[method].values()))
        color = series_color(0 if method in results.subjects else 1 if method == results.reference else 5)
        axes.plot(estimate.interval, [row, row], color=color)
        axes.plot(estimate.value, row, marker="o", color=color, markersize=5)
    core = results.scores(CORE, results.reference, size, measure.name)
    if same := [core[seed] for seed in {seed for name in names for seed in scored[name]} if seed in core]:
        axes.axvline(mean_of_runs(same).value, color=MUTED, linestyle="--", linewidth=0.9)
    label_rows(axes, names)
    axes.set_yticks(range(len(names)), names)  # whole: their ends tell them apart
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(f"{measure.name}, {size} {results.size_name}")
    axes.set_title(part)
