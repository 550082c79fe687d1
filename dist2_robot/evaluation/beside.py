"""Films with what the policy believes drawn beside each frame.

F frames, H height, W width, A action dimensions, M of them move, V tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.evaluation.style import GRID, INK, MUTED, SERIES, STYLE, SURFACE, short

MAX_DIMENSIONS = 8
DPI = 80


@dataclass(frozen=True)
class Moment:
    """When a policy was asked, and what it believed and chose.

    Attributes:
        step: Actions executed before.
        values: (M, V), what each token of the dimensions that move means.
        probabilities: (M, V).
        action: (A,), the first action of the chunk.
    """

    step: int
    values: np.ndarray
    probabilities: np.ndarray
    action: np.ndarray


def draw_beside(frames: np.ndarray, steps_per_frame: float, moments: Sequence[Moment], spec: ActionSpec) -> np.ndarray:
    """Return frames (F, H, W + panel, 3) that show beside each the beliefs of the chunk that it belongs to.

    Args:
        frames: (F, H, W, 3), uint8.
        steps_per_frame: Actions from one frame to the next.
        moments: By time; nothing is drawn without any.
        spec: Names the dimensions; their limits are the axes.
    """
    if not moments:
        return frames
    height = frames.shape[1]
    panels = [_panel(moment, spec, height) for moment in moments]
    starts = np.array([moment.step for moment in moments])
    which = np.searchsorted(starts, np.arange(len(frames)) * steps_per_frame, side="right") - 1
    return np.concatenate([frames, np.stack(panels)[which.clip(min=0)]], axis=2)


def _panel(moment: Moment, spec: ActionSpec, height: int) -> np.ndarray:
    """Return a picture (H, 3/4 H, 3): one row a dimension, the chosen value as a line."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = spec.moving.dimensions[:MAX_DIMENSIONS]
    chosen = [x for x, d in zip(moment.action, spec.dimensions, strict=True) if d.constant is None]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.75 * height / DPI, height / DPI), dpi=DPI, facecolor=SURFACE)
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.01, hspace=0.0)  # type: ignore[union-attr]
        rows = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
        for i, (axes, dimension) in enumerate(zip(rows, shown, strict=True)):
            order = np.argsort(moment.values[i])
            axes.fill_between(moment.values[i][order], moment.probabilities[i][order], color=SERIES[0], alpha=0.8)
            axes.axvline(float(chosen[i]), color=SERIES[1], linewidth=1.2)
            axes.set_xlim(dimension.low, dimension.high)
            axes.set_ylim(0, max(0.1, 1.1 * float(moment.probabilities[i].max())))
            axes.set_yticks([])
            axes.set_xticks([dimension.low, dimension.high], ["", ""])
            axes.grid(color=GRID)
            axes.spines["left"].set_visible(False)
            axes.spines["bottom"].set_color(MUTED)
            axes.text(0.0, 0.98, short(dimension.name), transform=axes.transAxes, fontsize=6, color=INK, va="top")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        picture = np.asarray(canvas.buffer_rgba())[:, :, :3]
    return picture[:height]
