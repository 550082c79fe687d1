"""Named state vectors to transformer inputs. B batch, F features, D width."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dist2_robot.types import Observation


class StateEncoder(nn.Module):
    """One token for each state vector: a two-layer perceptron of its normalised numbers."""

    def __init__(self, sizes: Mapping[str, int], width: int) -> None:
        """Args: sizes: Feature name -> length of its vector. width: D."""
        super().__init__()
        if not sizes:
            raise ValueError("a policy needs at least one observed feature")
        self.sizes = dict(sizes)
        self.encoders = nn.ModuleList(
            nn.Sequential(nn.Linear(size, width), nn.GELU(), nn.Linear(width, width)) for size in sizes.values()
        )

    def forward(self, observation: Observation) -> Tensor:
        """Return (B, F, D) for features of shape (B, size)."""
        features = [observation.features[name] for name in self.sizes]
        return torch.stack([encode(x) for encode, x in zip(self.encoders, features, strict=True)], dim=1)
