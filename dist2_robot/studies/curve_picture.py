"""Success against the number of demonstrations, a panel a task. From the results of a study alone."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dist2_robot.evaluation.style import SERIES, STYLE, SURFACE, series_color, series_marker
from dist2_robot.studies.curve_table import curves
from dist2_robot.studies.picture import DPI, PICTURE_FILE
from dist2_robot.studies.results import StudyResults
from dist2_robot.studies.standing import Rate, Standing, tasks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4
PANEL_IN = (2.9, 2.5)
SPREAD = 0.06  # by which methods stand beside each other, of the distance of two numbers
LINES = ("-", "--", ":")  # of methods that share a colour


def write_curves(results: StudyResults, output: Path) -> Path | None:
    """Write results.png: the mean over tasks, then each task, with 95 % intervals; None if there is nothing."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    by_number = curves(results)
    labels = list(dict.fromkeys(standing.label for shown in by_number.values() for standing in shown))
    if not labels:
        return None
    panels: list[str | None] = [None, *tasks_of([row for row in results.rows if row.get("demonstrations")])]
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    style: dict[Any, Any] = STYLE
    with mpl.rc_context(style):
        size = (PANEL_IN[0] * columns, PANEL_IN[1] * rows + 0.22 * math.ceil(len(labels) / columns) + 0.2)
        figure = Figure(figsize=size, facecolor=SURFACE)
        grid = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
        for axes, task in zip(grid, panels, strict=False):
            _draw_panel(axes, by_number, labels, task)
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=columns)
        path = output / PICTURE_FILE
        figure.savefig(path, dpi=DPI, facecolor=SURFACE)
    return path


def _draw_panel(axes: "Axes", by_number: Mapping[int, list[Standing]], labels: list[str], task: str | None) -> None:
    """Draw one line a method; one that lacks the task, or for the mean any task, has an entry in the legend only."""
    for index, label in enumerate(labels):
        rates = [
            (place, rate)
            for place, shown in enumerate(by_number.values())
            for standing in shown
            if standing.label == label and (rate := _rate(standing, task)) is not None
        ]
        shift = SPREAD * (index - (len(labels) - 1) / 2)
        places = [place + shift for place, _ in rates]
        values = [100 * rate.success for _, rate in rates]
        below = [100 * (rate.success - rate.interval[0]) for _, rate in rates]
        above = [100 * (rate.interval[1] - rate.success) for _, rate in rates]
        axes.errorbar(
            places,
            values,
            yerr=[below, above],
            color=series_color(index),
            marker=series_marker(index),
            linestyle=LINES[index // len(SERIES) % len(LINES)],
            markersize=4.5,
            markerfacecolor=SURFACE if index >= len(SERIES) else series_color(index),
            elinewidth=0.8,
            label=label,
        )
    axes.set_title(task or "mean over tasks", fontsize=8.5)
    axes.set_xticks(range(len(by_number)), [str(number) for number in by_number])
    axes.set_xlim(-0.5, len(by_number) - 0.5)
    axes.set_ylim(-4, 104)
    axes.set_xlabel("demonstrations")
    axes.set_ylabel("success (%)")


def _rate(standing: Standing, task: str | None) -> Rate | None:
    return standing.mean if task is None else standing.tasks.get(task)
