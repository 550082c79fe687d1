"""Success against what was changed, one panel a thing and one line a run."""

from collections.abc import Sequence
from pathlib import Path

from dist2_robot.evaluation.style import STYLE, SURFACE, legend_outside, series_color, series_marker, short
from dist2_robot.evaluation.sweep import SweepRow

DPI = 130
PANELS_PER_ROW = 3


def write_sweep_picture(rows: Sequence[SweepRow], path: Path) -> Path:
    """Write a PNG with Wilson's intervals."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    things = list(dict.fromkeys(row.point.over for row in rows))
    runs = list(dict.fromkeys(row.run for row in rows))
    across = min(PANELS_PER_ROW, len(things))
    down = -(-len(things) // across)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.0 * across + 0.8, 2.5 * down + 0.6), facecolor=SURFACE)
        panels = figure.subplots(down, across, squeeze=False, sharey=True).flat
        for axes, thing in zip(panels, things, strict=False):
            shown = [row for row in rows if row.point.over == thing]
            values = list(dict.fromkeys(row.point.value for row in shown))
            for number, run in enumerate(runs):
                line = [row for row in shown if row.run == run and row.rate is not None and row.interval is not None]
                x = [values.index(row.point.value) + 0.06 * (number - (len(runs) - 1) / 2) for row in line]
                rates = [row.rate or 0.0 for row in line]
                bounds = [row.interval or (0.0, 1.0) for row in line]
                below = [rate - low for rate, (low, _) in zip(rates, bounds, strict=True)]
                over = [high - rate for rate, (_, high) in zip(rates, bounds, strict=True)]
                look = {"color": series_color(number), "marker": series_marker(number), "markersize": 4.5}
                axes.errorbar(x, rates, yerr=[below, over], label=short(run), elinewidth=1.0, **look)
            axes.set_xticks(range(len(values)), [str(value) for value in values])
            axes.set_ylim(-0.03, 1.03)
            axes.set_title(thing)
        for axes in list(panels)[len(things) :]:
            axes.set_visible(False)
        figure.supylabel("success", fontsize=9)
        legend_outside(figure, figure.axes[0], loc="outside lower center")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI, facecolor=SURFACE)
    return path
