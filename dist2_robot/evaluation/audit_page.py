"""One HTML page on what was found in a dataset, with its actions and the bins that they would fall into."""

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dist2_robot.actions.guess import guess_dimensions
from dist2_robot.actions.spec import UNKNOWN_UNIT, ActionDimension
from dist2_robot.data.audit.audit import Audit
from dist2_robot.evaluation.style import INK, MUTED, SERIES, STYLE, as_svg, with_unit
from dist2_robot.files import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEMPLATE = "audit.html.jinja"
ACTION = "action"
BARS = 60
ACROSS = 3


def write_audit_page(audit: Audit, path: Path, bins: int = 128) -> Path:
    """Write the page.

    Args:
        audit: What was found.
        path: Of the page.
        bins: Of the uniform tokenizer whose bins are drawn below the histograms.
    """
    import jinja2

    source = files("dist2_robot.evaluation").joinpath(TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    contents = audit.contents
    page = environment.from_string(source).render(
        title=contents.folder.root.name,
        facts=f"{contents.folder.info['total_episodes']} episodes, {len(contents)} frames",
        findings=audit.findings,
        histograms=_histograms(audit, bins),
        bins=bins,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page)
    return path


def _histograms(audit: Audit, bins: int) -> str | None:
    """Return one panel for each action dimension, as SVG; None where actions could not be read."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    contents = audit.contents
    if ACTION not in contents.columns or not len(contents):
        return None
    actions, names = contents.columns[ACTION].astype(np.float64), contents.folder.names(ACTION)
    finite = actions[np.isfinite(actions).all(axis=1)]
    dimensions = contents.spec.dimensions if contents.spec is not None else ()
    if len(dimensions) != actions.shape[1]:
        dimensions = guess_dimensions(finite, names, [UNKNOWN_UNIT] * len(names))
    rows = -(-len(dimensions) // ACROSS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * ACROSS, 2.0 * rows))
        panels = list(figure.subplots(rows, ACROSS, squeeze=False).flat)
        for axes, dimension, values in zip(panels, dimensions, finite.T, strict=False):
            _draw(axes, dimension, values, bins)
        for axes in panels[len(dimensions) :]:
            axes.set_visible(False)
        return as_svg(figure, "Histograms of the actions")


def _draw(axes: "Axes", dimension: ActionDimension, values: np.ndarray, bins: int) -> None:
    axes.hist(values, bins=BARS, range=(dimension.low, dimension.high), color=SERIES[0], alpha=0.75)
    axes.set_yscale("symlog")
    axes.yaxis.set_major_formatter(lambda frames, _: f"{frames:g}")
    height = axes.get_ylim()[1]
    edges = np.linspace(dimension.low, dimension.high, bins + 1)
    axes.vlines(edges, -0.12 * min(1.0, height), 0, color=MUTED, linewidth=0.3)
    for limit in (dimension.low, dimension.high):
        axes.axvline(limit, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
    axes.set_title(dimension.name)
    axes.set_xlabel(with_unit("asked for", dimension.unit))
