"""An episode as one picture: frames side by side."""

from pathlib import Path

import numpy as np

GAP = 4  # pixels of white between frames


def write_filmstrip(path: Path, frames: np.ndarray, n: int = 8) -> Path:
    """Write `n` frames, evenly spaced from the first to the last, as one PNG strip.

    Args:
        path: Where to write; folders are made.
        frames: (T, H, W, 3) uint8. Shorter episodes than `n` give T frames.
        n: Frames to show, at least one.

    Raises:
        ValueError: `frames` is not such an array.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or len(frames) == 0 or n < 1:
        raise ValueError(
            f"a filmstrip needs n >= 1 and frames (T, H, W, 3) of uint8, got {frames.shape} {frames.dtype}"
        )
    import imageio.v3 as imageio

    chosen = np.linspace(0, len(frames) - 1, min(n, len(frames))).round().astype(int)
    height = frames.shape[1]
    gap = np.full((height, GAP, 3), 255, dtype=np.uint8)
    pieces = [piece for index in chosen for piece in (gap, frames[index])][1:]
    path.parent.mkdir(parents=True, exist_ok=True)
    imageio.imwrite(path, np.concatenate(pieces, axis=1), extension=".png")
    return path
