"""Pictures in another size, the same way for training data and for what a robot sees."""

import torch
import torch.nn.functional as F
from torch import Tensor


def resize(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Return pictures (N, height, width, 3) from 0 to 255 in a size (height, width), bilinear with antialiasing.

    Whole numbers stay whole; what has the size already is returned as it is.
    """
    if tuple(pictures.shape[1:3]) == tuple(size):
        return pictures
    channels_first = pictures.movedim(-1, 1)
    # On the CPU torch resizes bytes as such; on a GPU it wants floats.
    if pictures.dtype == torch.uint8 and pictures.device.type != "cpu":
        channels_first = channels_first.float()
    resized = F.interpolate(channels_first, size=tuple(size), mode="bilinear", antialias=True, align_corners=False)
    resized = resized.movedim(1, -1)
    return resized.round().clamp(0, 255).to(torch.uint8) if pictures.dtype == torch.uint8 else resized
