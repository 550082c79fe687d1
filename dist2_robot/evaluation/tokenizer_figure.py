"""What tokenizers cost against what they lose, in one picture."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dist2_robot.evaluation.style import GRID, INK, MUTED, SERIES, STYLE, SURFACE, label_rows, log_scale, short
from dist2_robot.evaluation.tokenizer_report import CELLS, TokenizerReport, frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 130
KINDS = {"numbers": (SERIES[0], "o"), "codes": (SERIES[1], "s"), "symbols": (SERIES[2], "^")}
MEANINGS = {"numbers": "order and distances", "codes": "distances, no order", "symbols": "neither"}
LEAST_ERROR = 1e-3  # tolerances; less cannot be drawn
MARGINS = {"figure.constrained_layout.w_pad": 0.08, "figure.constrained_layout.h_pad": 0.08}  # inches
LINE_PT = 11.0  # between two labels
TALLEST_BAR = 8.0  # times an even use


def write_tokenizer_picture(reports: Sequence[TokenizerReport], title: str, path: Path) -> Path:
    """Write a PNG: error against tokens, errors of each dimension, and which tokens are used."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ordered = sorted(reports, key=lambda report: report.error["mean"])
    dimensions = len(ordered[0].tolerances_by_dimension)
    style: dict[Any, Any] = STYLE | MARGINS
    with mpl.rc_context(style):
        width = 6.0 + 1.6 + 0.55 * max(5, dimensions) + 2.6
        figure = Figure(figsize=(width, max(4.2, 1.5 + 0.36 * len(ordered))), facecolor=SURFACE)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=MUTED)
        left, middle, right = figure.subplots(1, 3, width_ratios=[6.0, 0.55 * max(5, dimensions), 2.6])
        _draw_errors(middle, ordered)
        _draw_use(right, ordered)
        draw_frontier(left, ordered)
        _draw_legend(figure, {report.kind for report in ordered})
        figure.canvas.draw()  # where labels are is known only now
        _label_points(left, ordered)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI, facecolor=SURFACE)
    return path


def draw_frontier(axes: "Axes", reports: Sequence[TokenizerReport]) -> None:
    """Draw mean error against tokens a second, and the line of those that no other beats in both."""
    from matplotlib.ticker import LogLocator, NullFormatter

    best = frontier(reports)
    x, y = [report.tokens_per_s for report in best], [_error(report) for report in best]
    axes.step([*x, 10 * max(x)], [*y, y[-1]], where="post", color=MUTED, linewidth=1.0, linestyle=(0, (4, 2)), zorder=1)
    for kind, (color, marker) in KINDS.items():
        for report in (report for report in reports if report.kind == kind):
            at, error = report.tokens_per_s, _error(report)
            if report.tokens_used < report.tokens:  # the rest is padding
                used = at * report.tokens_used / report.tokens
                axes.plot([used, at], [error, error], color=color, linewidth=1.2, alpha=0.5)
                axes.plot(used, error, "|", color=color, markersize=8)
            filled = color if report in best else SURFACE
            axes.plot(at, error, marker, color=color, markerfacecolor=filled, markersize=7, zorder=3)
    log_scale(axes, "x", base=2)
    log_scale(axes, "y")
    low = min(report.tokens_per_s * report.tokens_used / report.tokens for report in reports)
    high = max(report.tokens_per_s for report in reports)
    axes.set_xlim(low / 1.3, high * 2.6)  # room for labels
    errors = [_error(report) for report in reports]
    axes.set_ylim(min(errors) / 1.6, max(errors) * 1.6)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("tokens a second of motion (bar: padding left out)")
    axes.set_ylabel("mean round-trip error (tolerances)")
    axes.set_title("Cost against loss (filled: not beaten in both)")


def _draw_legend(figure: "Figure", kinds: Collection[str]) -> None:
    """Tell what the colours are, in the line of the title."""
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], color=color, marker=marker, linestyle="none", label=f"{kind}: {MEANINGS[kind]}")
        for kind, (color, marker) in KINDS.items()
        if kind in kinds
    ]
    figure.legend(handles=marks, loc="outside upper right", ncols=len(marks), handletextpad=0.2)


def _label_points(axes: "Axes", reports: Sequence[TokenizerReport]) -> None:
    """Write each name to the right of its point, moved up until no two overlap."""
    points_per_pixel = 72 / axes.figure.dpi
    places = axes.transData.transform([(report.tokens_per_s, _error(report)) for report in reports]) * points_per_pixel
    best = frontier(reports)
    taken: list[tuple[float, float, float]] = []  # left, right, height of labels so far
    for index in np.argsort(places[:, 1]):
        name = reports[index].label
        raised = 7.0 if reports[index] in best else 0.0  # off the dashed line
        left, height = places[index, 0] + 8, places[index, 1] + raised
        right = left + 5.2 * len(name)
        for other_left, other_right, other_height in sorted(taken, key=lambda box: box[2]):
            if other_left < right and left < other_right and abs(height - other_height) < LINE_PT:
                height = other_height + LINE_PT
        taken.append((left, right, height))
        shift = float(height - places[index, 1])
        axes.annotate(
            name,
            (reports[index].tokens_per_s, _error(reports[index])),
            xytext=(8, shift),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
            bbox={"facecolor": SURFACE, "edgecolor": "none", "alpha": 0.8, "pad": 0.4},
            arrowprops={"arrowstyle": "-", "color": GRID, "linewidth": 0.7, "shrinkB": 4} if shift > 8 else None,
        )


def _draw_errors(axes: "Axes", reports: Sequence[TokenizerReport]) -> None:
    """Draw a table of the mean error of each dimension, darker where it is larger."""
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    errors = np.array([list(report.tolerances_by_dimension.values()) for report in reports])
    shades = LinearSegmentedColormap.from_list("errors", [SURFACE, SERIES[0]])
    axes.imshow(np.maximum(errors, LEAST_ERROR), cmap=shades, norm=LogNorm(0.02, 20), aspect="auto")
    for row, column in np.ndindex(errors.shape):
        dark = errors[row, column] > 2
        text = f"{errors[row, column]:.2f}" if errors[row, column] < 10 else f"{errors[row, column]:.0f}"
        axes.text(column, row, text, color=SURFACE if dark else INK, ha="center", va="center", fontsize=7.5)
    label_rows(axes, [""] * len(reports))
    axes.set_yticks(range(len(reports)), [report.label.replace(" ", "\n", 1) for report in reports], fontsize=8)
    for tick, report in zip(axes.get_yticklabels(), reports, strict=True):
        tick.set_color(KINDS[report.kind][0])
    names = list(reports[0].tolerances_by_dimension)
    axes.set_xticks(range(len(names)), [short(name) for name in names], rotation=35, ha="right", rotation_mode="anchor")
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    axes.set_title("Mean error (tolerances)")


def _draw_use(axes: "Axes", reports: Sequence[TokenizerReport]) -> None:
    """Draw for each tokenizer how often its tokens are used, against all equally often."""
    edges = np.linspace(0, 1, CELLS + 1)
    for row, report in enumerate(reports):
        color = KINDS[report.kind][0]
        base, height = row + 0.42, np.minimum(report.histogram, TALLEST_BAR) / TALLEST_BAR * 0.8
        axes.stairs(base - height, edges, baseline=base, fill=True, color=color, alpha=0.75, linewidth=0)
        axes.plot([0, 1], [base, base], color=MUTED, linewidth=0.5)
        axes.text(1.03, row, f"{100 * report.occupied:.0f} %", color=INK, fontsize=7.5, va="center", clip_on=False)
    label_rows(axes, [""] * len(reports))
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 1], ["first", "last"])
    axes.grid(False)
    axes.set_xlabel(f"token (codes, symbols: most used first;\nbars end at {TALLEST_BAR:g} times an even use)")
    axes.set_title("Use of tokens; ever used")


def _error(report: TokenizerReport) -> float:
    return max(report.error["mean"], LEAST_ERROR)
