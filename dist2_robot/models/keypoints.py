"""Where in a picture something is: a map of features to a few points. N pictures, C channels, M points, D width."""

import torch
from torch import Tensor, nn


class Keypoints(nn.Module):
    """Spatial softmax: M maps of attention and the expected place of each; with the mean feature they make one token.

    Keeps places to a fraction of a cell of the map, which pooling would lose (Levine et al. 2016, arXiv:1504.00702).
    """

    def __init__(self, channels: int, points: int, width: int) -> None:
        """Args: channels: C. points: M. width: D."""
        super().__init__()
        self.attention = nn.Conv2d(channels, points, kernel_size=1)
        self.pooled = nn.Linear(channels, width)
        self.places = nn.Sequential(nn.Linear(2 * points, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, features: Tensor) -> Tensor:
        """Return (N, 1, D) for a map of features (N, C, height, width)."""
        attention = self.attention(features).flatten(2).softmax(-1)  # (N, M, height * width)
        height, width = features.shape[-2:]
        y, x = torch.meshgrid(
            torch.linspace(-1, 1, height, device=features.device),
            torch.linspace(-1, 1, width, device=features.device),
            indexing="ij",
        )
        grid = torch.stack([x.flatten(), y.flatten()], dim=-1)  # (height * width, 2)
        places = (attention.float() @ grid).flatten(1)  # (N, 2 M)
        return (self.places(places) + self.pooled(features.mean((-2, -1))))[:, None]
