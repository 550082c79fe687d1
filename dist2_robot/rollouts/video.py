"""Pictures to a video that any browser plays."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np


def write_video(path: Path, frames: np.ndarray, fps: float) -> None:
    """Write pictures (F, height, width, 3), uint8, as an H.264 video. Odd sizes lose their last row or column."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = (size - size % 2 for size in frames.shape[1:3])  # what the pixel format of browsers needs
    iio.imwrite(path, frames[:, :height, :width], plugin="pyav", extension=".mp4", codec="libx264", fps=round(fps))
