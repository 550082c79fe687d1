"""A small convolutional network that says where things are. N pictures, C channels, M keypoints, D width."""

from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.models.keypoints import Keypoints
from dist2_robot.models.picture_encoder import PictureEncoder


class ConvEncoder(PictureEncoder):
    """Three convolutions with group norm, an eighth of the picture's size at the end; then keypoints, one token.

    Group norm, since the statistics of a batch of demonstrations are not those of one robot.
    """

    def __init__(self, size: tuple[int, int], width: int, *, channels: int = 32, keypoints: int = 32) -> None:
        """Args: size: (height, width), at least 16. width: D. channels: C. keypoints: M."""
        if min(size) < 16:
            raise ValueError(f"pictures must be at least 16 pixels high and wide, got {tuple(size)}")
        if channels % 8:
            raise ValueError(f"channels must be a multiple of 8, got {channels}")
        super().__init__(size, tokens=1)
        self._config = {"channels": channels, "keypoints": keypoints}
        self.convolutions = nn.Sequential(
            *layer(3, channels, kernel=5, stride=2),
            *layer(channels, 2 * channels, kernel=3, stride=2),
            *layer(2 * channels, 2 * channels, kernel=3, stride=1),
        )
        self.keypoints = Keypoints(2 * channels, keypoints, width)

    def encode(self, pictures: Tensor, told: Tensor | None = None) -> Tensor:
        return self.keypoints(self.convolutions(pictures.contiguous(memory_format=torch.channels_last) - 0.5))

    def config(self) -> dict[str, Any]:
        return {"name": "conv", **self._config}


def layer(inputs: int, outputs: int, *, kernel: int, stride: int) -> list[nn.Module]:
    """Return a convolution with group norm."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [convolution, nn.GroupNorm(8, outputs), nn.GELU()]
