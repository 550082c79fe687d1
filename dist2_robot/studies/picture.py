"""The picture of a study: what the first stage screened, and how the last one ended. From its results alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dist2_robot.evaluation.style import INK, MUTED, STYLE, SURFACE, label_rows, series_color, series_marker
from dist2_robot.studies.method import Method, method_of
from dist2_robot.studies.results import StudyResults
from dist2_robot.studies.standing import Rate, Standing, standings, tasks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

PICTURE_FILE = "results.png"
DPI = 120
ROW_IN = 0.27  # height of a row of either plot
ACROSS = 8  # panels of tasks beside each other; more are drawn below
DARK = 0.55  # from this success rate on a cell's number is white


def write_picture(results: StudyResults, output: Path) -> Path | None:
    """Write results.png: a map of the first of several stages, and dots with intervals of the last; None if empty."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    by_stage = {
        stage["name"]: [row for row in results.rows if row["stage"] == stage["name"]] for stage in results.stages
    }
    (first, *_), last = list(by_stage.values()), list(by_stage.values())[-1]
    screened = standings(first, best_decoding_only=True) if len(by_stage) > 1 else []
    ended = standings(last)
    if not screened and not ended:
        return None
    references = [method_of(entry) for entry in results.references]
    style: dict[Any, Any] = STYLE
    with mpl.rc_context(style):
        across, down = _grid(1 + len(tasks_of(last)))
        widths = [5.5] * bool(screened) + [3.0 + 1.5 * across] * bool(ended)
        losses = len({(s.method.loss, s.method.variant) for s in screened})
        height = max(1.4 + ROW_IN * losses, down * (1.4 + ROW_IN * len(ended)))
        figure = Figure(figsize=(sum(widths), height), facecolor=SURFACE)
        parts = list(figure.subfigures(1, len(widths), squeeze=False, width_ratios=widths)[0])
        if screened:
            heads = list(dict.fromkeys(row["head"] for row in first))
            count = len(tasks_of(first))
            title = f"{next(iter(by_stage))}: mean success over {count} task{'s' if count > 1 else ''} (%)"
            _draw_map(parts.pop(0), screened, heads, title)
        if ended:
            _draw_dots(parts.pop(0), ended, tasks_of(last), references)
        path = output / PICTURE_FILE
        figure.savefig(path, dpi=DPI, facecolor=SURFACE)
    return path


def _draw_map(figure: "Figure | SubFigure", shown: Sequence[Standing], heads: Sequence[str], title: str) -> None:
    """Draw mean success by loss (rows, the best first) and head (columns); white is what was not tried or failed."""
    from matplotlib.colors import LinearSegmentedColormap

    losses = list(dict.fromkeys(_loss_label(standing.method) for standing in shown))  # best first, as they come
    values = np.full((len(losses), len(heads)), np.nan)
    for standing in shown:
        if standing.mean:
            values[losses.index(_loss_label(standing.method)), heads.index(standing.method.head)] = (
                standing.mean.success
            )
    axes = figure.add_subplot()
    colors = LinearSegmentedColormap.from_list("success", [SURFACE, series_color(0)])
    axes.imshow(values, vmin=0, vmax=1, cmap=colors, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = SURFACE if value > DARK else INK
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=ink)
    axes.set_xticks(range(len(heads)), heads, rotation=30, ha="left", rotation_mode="anchor")
    _label_rows(axes, losses)
    axes.set_ylim(len(losses) - 0.5, -0.5)
    axes.grid(False)
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", labelcolor=INK)
    axes.set_title(title)


def _draw_dots(
    figure: "Figure | SubFigure", shown: Sequence[Standing], tasks: Sequence[str], references: Sequence[Method]
) -> None:
    """Draw rates with intervals: the mean over tasks, then each task. References have a colour of their own."""
    across, down = _grid(1 + len(tasks))
    widths = [1.6, *[1.0] * (across - 1)]
    grid = figure.subplots(down, across, sharey=True, squeeze=False, width_ratios=widths)
    panels = list(grid.flat)
    rates: list[Mapping[int, Rate | None]] = [{i: standing.mean for i, standing in enumerate(shown)}]
    rates += [{i: standing.tasks.get(task) for i, standing in enumerate(shown)} for task in tasks]
    for axes, title, panel in zip(panels, ["mean over tasks", *tasks], rates, strict=False):
        for row, rate in panel.items():
            _draw_rate(axes, row, rate, is_reference=shown[row].method in references)
        axes.set_xlim(-4, 104)
        axes.set_xticks([0, 50, 100])
        axes.set_title(title, fontsize=8.5)
        axes.set_xlabel("success (%)")
    _label_rows(panels[0], [standing.label for standing in shown])
    for axes in grid[:, 0]:
        for label, standing in zip(axes.get_yticklabels(), shown, strict=True):
            label.set_color(series_color(int(standing.method in references)))
    for axes in panels:
        axes.tick_params(axis="y", labelleft=axes in grid[:, 0])
        axes.grid(False, axis="y")
        axes.spines["left"].set_visible(False)
    for axes in panels[len(rates) :]:
        axes.set_visible(False)


def _grid(panels: int) -> tuple[int, int]:
    """Return how many panels are beside each other, and below."""
    return min(panels, ACROSS), -(-panels // ACROSS)


def _draw_rate(axes: "Axes", row: int, rate: Rate | None, *, is_reference: bool) -> None:
    if rate is None:
        axes.text(50, row, "-", color=MUTED, ha="center", va="center")
        return
    series = int(is_reference)
    low, high = rate.interval
    color = series_color(series)
    axes.plot([100 * low, 100 * high], [row, row], color=color, linewidth=4, alpha=0.3, solid_capstyle="round")
    axes.plot(100 * rate.success, row, series_marker(series), color=color, markersize=5.5)


def _label_rows(axes: "Axes", names: Sequence[str]) -> None:
    """Name rows in full: the end of a long name is what tells it from others."""
    label_rows(axes, [str(row) for row in range(len(names))])
    axes.set_yticklabels(names)


def _loss_label(method: Method) -> str:
    return f"{method.loss} {method.short_variant}".strip()
