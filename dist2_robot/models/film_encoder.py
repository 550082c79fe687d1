"""A small convolutional network that looks for what it is told. N pictures, C channels, F features, M maps, D width."""

from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.models.conv_encoder import layer
from dist2_robot.models.picture_encoder import PictureEncoder


class FilmEncoder(PictureEncoder):
    """Features that the task scales and shifts (FiLM, Perez et al. 2018, arXiv:1709.07871), and where they are high.

    Each of M maps of attention tells the expected place of what it looks at, and the mean feature there; together they
    make one token. The map of features has a fourth of the picture's size, and knows where it is in the picture.
    """

    is_told = True

    def __init__(self, size: tuple[int, int], width: int, *, channels: int = 16, keypoints: int = 4) -> None:
        """Args: size: (height, width), at least 16. width: D, of the task's vector too. channels: C, of which F is 4.

        keypoints: M.
        """
        if min(size) < 16:
            raise ValueError(f"pictures must be at least 16 pixels high and wide, got {tuple(size)}")
        if channels % 8:
            raise ValueError(f"channels must be a multiple of 8, got {channels}")
        super().__init__(size, tokens=1)
        self._config = {"channels": channels, "keypoints": keypoints}
        features = 4 * channels
        self.keypoints, self.found_size = keypoints, keypoints * (2 + features)
        self.stem = nn.Sequential(
            *layer(3, channels, kernel=5, stride=2), *layer(channels, 2 * channels, kernel=3, stride=2)
        )
        self.convolution = nn.Conv2d(2 * channels + 2, features, 3, padding=1)
        self.mix = nn.Conv2d(features, features, 1)
        self.norm = nn.GroupNorm(8, features, affine=False)
        self.film = nn.Linear(width, 4 * features)
        self.attention = nn.Conv2d(features, keypoints, 1)
        self.output = nn.Sequential(nn.Linear(self.found_size, width), nn.GELU(), nn.Linear(width, width))

    def look(self, pictures: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps before their softmax, (N, M, h, w), and what is found, (N, M (2 + F)).

        Args:
            pictures: (N, 3, height, width), from 0 to 1.
            told: The task's vectors, (N, D).
        """
        x = self.stem(pictures.contiguous(memory_format=torch.channels_last) - 0.5)
        places = _grid(x.shape[-2], x.shape[-1], x.device)
        scale, shift, scale_mix, shift_mix = self.film(told)[..., None, None].chunk(4, dim=1)
        x = self.norm(self.convolution(torch.cat([x, places.expand(len(x), -1, -1, -1)], dim=1)))
        x = nn.functional.gelu(x * (1 + scale) + shift)
        x = x + nn.functional.gelu(self.norm(self.mix(x)) * (1 + scale_mix) + shift_mix)
        maps = self.attention(x)
        attention = maps.flatten(2).softmax(-1)  # (N, M, h w)
        where = attention @ places.flatten(1).mT  # (N, M, 2)
        what = attention @ x.flatten(2).mT  # (N, M, F)
        return maps, torch.cat([where, what], dim=-1).flatten(1)

    def encode(self, pictures: Tensor, told: Tensor | None = None) -> Tensor:
        if told is None:
            raise ValueError("vision=film looks for what it is told: it needs a task")
        return self.output(self.look(pictures, told)[1])[:, None]

    def config(self) -> dict[str, Any]:
        return {"name": "film", **self._config}


def _grid(height: int, width: int, device: torch.device) -> Tensor:
    """Return x and y of each cell, from -1 to 1, (2, height, width)."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height, device=device), torch.linspace(-1, 1, width, device=device), indexing="ij"
    )
    return torch.stack([x, y])
