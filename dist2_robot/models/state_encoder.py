"""Named state vectors to transformer inputs. B batch, K moments, F features, D width."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dist2_robot.types import Observation


class StateEncoder(nn.Module):
    """One token for each state vector: a two-layer perceptron of its normalised numbers."""

    def __init__(self, sizes: Mapping[str, int], width: int, history: int = 1) -> None:
        """Args: sizes: Feature name -> length of its vector. width: D. history: Moments that are seen at once, K."""
        super().__init__()
        self.sizes = dict(sizes)
        self.history = history
        self.encoders = nn.ModuleList(
            nn.Sequential(nn.Linear(history * size, width), nn.GELU(), nn.Linear(width, width))
            for size in sizes.values()
        )

    def forward(self, observation: Observation) -> Tensor:
        """Return (B, F, D) for features of shape (B, size), or (B, K, size) with a history of several moments."""
        features = [self._flat(name, observation.features[name]) for name in self.sizes]
        return torch.stack([encode(x) for encode, x in zip(self.encoders, features, strict=True)], dim=1)

    def _flat(self, name: str, x: Tensor) -> Tensor:
        wanted = (self.sizes[name],) if self.history == 1 else (self.history, self.sizes[name])
        if x.shape[1:] != wanted:
            raise ValueError(f"'{name}' must be (B, {', '.join(map(str, wanted))}), got {tuple(x.shape)}")
        return x.flatten(1)
