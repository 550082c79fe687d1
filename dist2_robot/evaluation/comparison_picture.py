"""One picture of a comparison: success rates left, paired differences from the first right."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dist2_robot.evaluation import figures, held_out_figures
from dist2_robot.evaluation.methods import MEAN
from dist2_robot.evaluation.style import (
    INK,
    STYLE,
    SURFACE,
    label_rows,
    legend_outside,
    series_color,
    series_marker,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 130
SPREAD = 0.6  # of a row, that its methods share


def write_comparison_picture(comparison: Mapping[str, Any], path: Path) -> Path:
    """Write a PNG of what `compare_runs` or `compare_methods` found; of scores on held-out episodes without them."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        draw = {"methods": methods_figure, "held_out": _held_out_figure}.get(comparison["kind"], _runs_figure)
        figure = draw(comparison)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI, facecolor=SURFACE)
    return path


def methods_figure(comparison: Mapping[str, Any]) -> "Figure":
    """Draw rates and differences, a row a task and one for the mean, a colour a method."""
    rows, differences = comparison["rows"], [entry for entry in comparison["differences"] if "note" not in entry]
    tasks = comparison["tasks"]
    figure, axes = _panels(1 + len(tasks), len(rows), bool(differences), share=True)
    for index, row in enumerate(rows):
        of_tasks = [_told(row["tasks"].get(task), "success_rate", "success_interval") for task in tasks]
        _draw(axes[0], [_told(row, "mean_rate", "mean_interval"), *of_tasks], index, len(rows), row["name"])
    label_rows(axes[0], [MEAN, *tasks])
    axes[0].set_xlabel("success rate, 95 % interval (%)")
    axes[0].set_xlim(-2, 102)
    for entry in differences:
        index = [row["name"] for row in rows].index(entry["name"])
        of_tasks = [_told(entry["tasks"].get(task), "difference", "interval") for task in tasks]
        _draw(axes[1], [_told(entry["mean"], "difference", "interval"), *of_tasks], index, len(rows), entry["name"])
    if differences:
        axes[1].axvline(0, color=INK, linewidth=0.9)
        axes[1].set_xlabel(f"difference to {short(comparison['baseline'])}\n(percentage points)")
        axes[1].grid(False, axis="y")
    legend_outside(figure, axes[0], loc="outside upper center", columns=4)
    return figure


def _runs_figure(comparison: Mapping[str, Any]) -> "Figure":
    rows, differences = comparison["rows"], [entry for entry in comparison["differences"] if "interval" in entry]
    figure, axes = _panels(len(rows), 1, bool(differences))
    figures.draw_success(axes[0], rows)
    if differences:
        figures.draw_differences(axes[1], differences, [row["name"] for row in rows])
    return figure


def _held_out_figure(comparison: Mapping[str, Any]) -> "Figure":
    rows = comparison["held_out"]["rows"]
    differences = [entry for entry in comparison["held_out"]["differences"] if "scores" in entry]
    figure, axes = _panels(len(rows), 2, bool(differences))
    held_out_figures.draw_scores(axes[0], rows)
    if differences:
        held_out_figures.draw_score_differences(axes[1], differences, [row["name"] for row in rows])
    return figure


def _panels(rows: int, methods: int, two: bool, share: bool = False) -> tuple["Figure", Sequence["Axes"]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0 if two else 5.6, 1.2 + rows * (0.2 + 0.16 * methods)))
    return figure, figure.subplots(1, 2 if two else 1, squeeze=False, sharey=share)[0]


def _told(entry: Mapping[str, Any] | None, value: str, interval: str) -> tuple[float, float, float] | None:
    """Return value and interval in percent."""
    if not entry or value not in entry:
        return None
    low, high = entry[interval]
    return 100 * entry[value], 100 * low, 100 * high


def _draw(axes: "Axes", told: Sequence[tuple[float, float, float] | None], index: int, methods: int, name: str) -> None:
    color = series_color(index)
    for row, numbers in enumerate(told):
        if numbers is None:
            continue
        value, low, high = numbers
        y = row + SPREAD * ((index + 0.5) / methods - 0.5)
        axes.plot([low, high], [y, y], color=color, linewidth=4, alpha=0.3, solid_capstyle="round")
        axes.plot(value, y, series_marker(index), color=color, markersize=6, label=short(name) if row == 0 else None)
