"""Pictures in rows: what was there, what came of it, and what was predicted."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dist2_robot.evaluation.style import MUTED, STYLE, SURFACE

SIDE_INCHES, ROW_INCHES = 0.9, 1.1  # of a picture, and with its name
DPI = 120


def write_frame_strip(path: Path, rows: Mapping[str, np.ndarray]) -> Path:
    """Write rows of pictures (N, H, W, 3), uint8, each under its name, as one PNG; column i shows the same moment."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    count = max(len(pictures) for pictures in rows.values())
    with mpl.rc_context({**STYLE, "figure.constrained_layout.use": False}):
        figure = Figure(figsize=(SIDE_INCHES * count, ROW_INCHES * len(rows)), facecolor=SURFACE)
        grid = figure.subplots(len(rows), count, squeeze=False)
        figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=1 - 0.2 / len(rows), wspace=0.06, hspace=0.25)
        for axes, (name, pictures) in zip(grid, rows.items(), strict=True):
            for place in axes:
                place.set_axis_off()
            axes[0].set_title(name, loc="left", color=MUTED, fontsize=8, pad=3)
            for place, picture in zip(axes, pictures, strict=False):
                place.imshow(picture, interpolation="nearest")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI, facecolor=SURFACE)
    return path
