"""The plots of a report: success rates, learning curves, held-out errors. All draw from result files alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dist2_robot.evaluation.compare import format_rate
from dist2_robot.evaluation.run_files import RunFiles
from dist2_robot.evaluation.style import (
    INK,
    MUTED,
    label_rows,
    legend_outside,
    series_color,
    series_marker,
    short,
    with_unit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_POINTS = 400  # of a curve; more cannot be seen
SMOOTHING = 0.8


def new_figure(width: float = 4.7, height: float = 2.9) -> tuple["Figure", "Axes"]:
    """Return a figure that no global state knows of, in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def draw_success(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the success rate of each run as a dot on its 95 % interval."""
    for index, row in enumerate(rows):
        if row["success_rate"] is None or row["success_interval"] is None:
            axes.text(50, index, "no success rate", color=MUTED, ha="center", va="center")
            continue
        low, high = row["success_interval"]
        color = series_color(index)
        axes.plot([100 * low, 100 * high], [index, index], color=color, linewidth=5, alpha=0.3, solid_capstyle="round")
        axes.plot(100 * row["success_rate"], index, series_marker(index), color=color, markersize=8)
        label = format_rate(row["success_rate"], row["success_interval"])
        axes.text(105, index, label, color=INK, ha="left", va="center")
    label_rows(axes, [row["name"] for row in rows])
    axes.set_xlim(-2, 102)
    axes.set_xlabel("success rate, 95 % interval (% of episodes)")


def success_figure(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Success rates of all runs."""
    figure, axes = new_figure(height=0.7 + 0.4 * len(rows))
    draw_success(axes, rows)
    return figure


def draw_differences(axes: "Axes", differences: Sequence[Mapping[str, Any]], order: Sequence[str]) -> None:
    """Draw paired differences against one run; the order of all runs tells the colour of each."""
    for row, entry in enumerate(differences):
        index = order.index(entry["name"])
        low, high = (100 * bound for bound in entry["interval"])
        color = series_color(index)
        axes.plot([low, high], [row, row], color=color, linewidth=5, alpha=0.3, solid_capstyle="round")
        axes.plot(100 * entry["difference"], row, series_marker(index), color=color, markersize=8)
    reach = 1.15 * max(5.0, *(100 * abs(bound) for entry in differences for bound in entry["interval"]))
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_xlim(-reach, reach)
    label_rows(axes, [entry["name"] for entry in differences])
    axes.set_xlabel(f"difference to {short(differences[0]['against'])}\n(percentage points)")


def difference_figure(differences: Sequence[Mapping[str, Any]], order: Sequence[str]) -> "Figure":
    """Paired differences against one run."""
    figure, axes = new_figure(height=0.7 + 0.4 * len(differences))
    draw_differences(axes, differences, order)
    return figure


def loss_figure(runs: Sequence[RunFiles]) -> "Figure | None":
    """Training loss against steps: as logged (faint) and smoothed."""
    return _curves(runs, "train", lambda line: line.get("loss"), "training loss", smooth=True)


def error_figure(runs: Sequence[RunFiles]) -> "Figure | None":
    """Mean held-out action error, in tolerances, against steps."""
    return _curves(runs, "validation", _mean_error, "held-out action error (tolerances)")


def success_curve_figure(runs: Sequence[RunFiles]) -> "Figure | None":
    """Success rate during training, with intervals, against steps."""
    figure = _curves(runs, "success", lambda line: _percent(line.get("success_rate")), "success rate (%)")
    if figure is not None:
        axes = figure.axes[0]
        for index, run in enumerate(runs):
            lines = [line for line in run.series("success") if line.get("success_interval")]
            low, high = 100 * np.array([line["success_interval"] for line in lines], dtype=float).reshape(-1, 2).T
            steps = [line["step"] for line in lines]
            axes.fill_between(steps, low, high, color=series_color(index), alpha=0.15, linewidth=0)
        axes.set_ylim(-3, 103)
    return figure


def dimension_figure(runs: Sequence[RunFiles]) -> "Figure | None":
    """Last held-out error of each action dimension; one axis a unit."""
    from matplotlib.figure import Figure

    last = [run.series("validation")[-1:] for run in runs]
    units = {
        dimension: lines[0].get("units", {}).get(dimension, "?")
        for lines in last
        for dimension in (lines[0].get("action_error") or {} if lines else {})
    }
    if not units:
        return None
    groups = [[name for name in units if units[name] == unit] for unit in dict.fromkeys(units.values())]
    figure = Figure(figsize=(4.7, 0.4 + sum(0.65 + 0.34 * len(group) for group in groups)))
    grid = figure.subplots(len(groups), 1, squeeze=False, height_ratios=[1 + len(group) for group in groups])
    for axes, group in zip(grid[:, 0], groups, strict=True):
        for index, lines in enumerate(last):
            errors = [lines[0].get("action_error", {}).get(name, np.nan) if lines else np.nan for name in group]
            rows = np.arange(len(group)) + 0.22 * (index - (len(runs) - 1) / 2) / max(1, len(runs) - 1)
            label = short(runs[index].name) if lines else None
            axes.plot(errors, rows, series_marker(index), color=series_color(index), markersize=6, label=label)
        label_rows(axes, group)
        axes.set_xlim(0, 1.06 * axes.get_xlim()[1])
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel(with_unit("mean absolute error", units[group[0]]))
    legend_outside(figure, grid[0, 0])
    return figure


def horizon_figure(runs: Sequence[RunFiles]) -> "Figure | None":
    """Last held-out error, in tolerances, against the step of the chunk."""
    figure, axes = new_figure()
    for index, run in enumerate(runs):
        errors = (run.series("validation") or [{}])[-1].get("action_error_by_step")
        if errors:
            mark = series_marker(index) if len(errors) <= 32 else ""
            steps = range(1, len(errors) + 1)
            axes.plot(steps, errors, marker=mark, markersize=4, color=series_color(index), label=short(run.name))
    if not axes.lines:
        return None
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step of the action chunk (actions ahead)")
    axes.set_ylabel("held-out action error (tolerances)")
    axes.locator_params(axis="x", integer=True)
    legend_outside(figure, axes)
    return figure


def _curves(runs: Sequence[RunFiles], kind: str, value: Any, label: str, smooth: bool = False) -> "Figure | None":
    figure, axes = new_figure()
    for index, run in enumerate(runs):
        points = [(line["step"], value(line)) for line in run.series(kind)]
        points = np.array([point for point in points if point[1] is not None and np.isfinite(point[1])], dtype=float)
        if len(points) == 0:
            continue
        steps, values = points[np.unique(np.linspace(0, len(points) - 1, MAX_POINTS).astype(int))].T
        color = series_color(index)
        if smooth:
            axes.plot(steps, values, color=color, alpha=0.22, linewidth=0.9)
        mark = series_marker(index) if len(steps) <= 32 else ""
        drawn = _smoothed(values) if smooth else values
        axes.plot(steps, drawn, marker=mark, markersize=4, color=color, label=short(run.name))
    if not axes.lines:
        return None
    axes.set_xlabel("training step")
    axes.set_ylabel(label)
    axes.ticklabel_format(axis="x", style="plain")
    axes.locator_params(axis="x", nbins=6)
    legend_outside(figure, axes)
    return figure


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Exponential mean without the pull towards zero at the start."""
    mean, weight, smoothed = 0.0, 0.0, []
    for value in values:
        mean, weight = SMOOTHING * mean + (1 - SMOOTHING) * value, SMOOTHING * weight + (1 - SMOOTHING)
        smoothed.append(mean / weight)
    return np.array(smoothed)


def _mean_error(line: Mapping[str, Any]) -> float | None:
    errors = line.get("action_error_by_step")
    return float(np.mean(errors)) if errors else None


def _percent(rate: float | None) -> float | None:
    return None if rate is None else 100 * rate
