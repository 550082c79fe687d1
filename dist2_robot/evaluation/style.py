"""How pictures look: one palette for all, and SVG whose colours follow the page."""

import html
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from dist2_robot.actions.units import shown_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Each colour has one role. In a page it becomes the CSS variable of that role, which has a light and a dark value.
INK, MUTED, GRID, SURFACE = "#1f2328", "#636c76", "#d8dee4", "#fefefe"
# After Okabe and Ito: told apart with any colour vision. Runs differ in marker too.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#a3549b", "#b07f00", "#56707f")
MARKERS = ("o", "s", "^", "D", "v", "P")
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", SURFACE: "--surface"} | {
    color: f"--series-{index}" for index, color in enumerate(SERIES)
}
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib; a page replaces it by its own, which is narrower
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "text.parse_math": False,  # a run may be called "$"; a logarithmic axis needs `log_scale`
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "dist2_robot",
}
LONGEST_LABEL = 26
LEGEND_ROW_IN = 0.18
Place = Literal["outside upper left", "outside upper center", "outside lower center"]  # in matplotlib's words


def series_color(index: int) -> str:
    """Return the colour of run `index`; it is the same in all pictures."""
    return SERIES[index % len(SERIES)]


def series_marker(index: int) -> str:
    """Return the marker of run `index`."""
    return MARKERS[index % len(MARKERS)]


def short(name: str) -> str:
    """Return a name that fits beside an axis: without its middle, since names differ at their ends."""
    name = " ".join(name.split())
    end = LONGEST_LABEL // 2
    return name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1 - end]}…{name[-end:]}"


def with_unit(text: str, unit: str) -> str:
    """Return an axis label with its unit, if that is known."""
    shown = shown_unit(unit)
    return f"{text} ({shown})" if shown else text


def label_rows(axes: "Axes", names: Sequence[str]) -> None:
    """Name the rows of a dot plot, first on top."""
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)


def log_scale(axes: "Axes", *names: str, base: float = 10) -> None:
    """Make axes logarithmic, with numbers that are written out: matplotlib's own are mathematics.

    Args:
        axes: Of a figure.
        names: ``x``, ``y`` or both.
        base: Of the logarithm.
    """
    from matplotlib.ticker import LogFormatter

    class PlainLogFormatter(LogFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{x:,.10g}" if super().__call__(x, pos) else ""

    for name in names:
        getattr(axes, f"set_{name}scale")("log", base=base)
        axis = getattr(axes, f"{name}axis")
        for set_formatter in (axis.set_major_formatter, axis.set_minor_formatter):
            set_formatter(PlainLogFormatter(base))


def legend_outside(figure: "Figure", axes: "Axes", loc: Place = "outside upper left", columns: int = 3) -> None:
    """Put the legend of some axes where it hides no data, in as many columns as the figure has room for.

    Args:
        figure: Grows by the rows of the legend after the first.
        axes: Whose legend it is.
        loc: Where.
        columns: At most.
    """
    handles, labels = axes.get_legend_handles_labels()
    for count in range(min(columns, max(1, len(labels))), 0, -1):
        legend = figure.legend(handles, labels, loc=loc, ncols=count)
        if count == 1 or legend.get_window_extent().width <= figure.bbox.width:
            figure.set_figheight(figure.get_figheight() + LEGEND_ROW_IN * (-(-len(labels) // count) - 1))
            return
        legend.remove()


def as_svg(figure: "Figure", description: str) -> str:
    """Return a figure as an inline SVG element that takes its colours and its font from the page around it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True)
    head, body = re.split(r"(?<=>)", buffer.getvalue().partition("<svg")[2], maxsplit=1)
    box = re.search(r'viewBox="([\d. -]+)"', head)
    assert box, "matplotlib writes a viewBox"
    body = re.sub(r"<metadata>.*?</metadata>", "", body, count=1, flags=re.DOTALL)
    for color, variable in VARIABLES.items():
        body = body.replace(color, f"var({variable})")
    width_px = float(box[1].split()[2]) * 4 / 3  # points
    label = html.escape(description, quote=True)
    return f'<svg role="img" aria-label="{label}" viewBox="{box[1]}" style="max-width: {width_px:.0f}px">{body}'
