"""Observation to features by a plain perceptron. B batch, F tokens of what is observed, T steps of a chunk, D width."""

from collections.abc import Iterable
from itertools import pairwise

from torch import Tensor, nn

from dist2_robot.models.observation_encoder import ObservationEncoder
from dist2_robot.types import Observation


class ChunkMLP(nn.Module):
    """All that is seen in one vector, some layers of width D, and as many features for each step of the chunk."""

    def __init__(self, encoder: ObservationEncoder, steps: int, *, width: int, depth: int) -> None:
        """Args: encoder: Makes tokens of an observation, of the same width. steps: T. width: D. depth: Layers."""
        super().__init__()
        self.encoder = encoder
        sizes = [encoder.tokens * width, *[width] * depth]
        layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.GELU())]
        self.layers = nn.Sequential(nn.Flatten(), *layers, nn.Linear(sizes[-1], steps * width), nn.GELU())
        self.steps, self.width = steps, width

    def forward(self, observation: Observation) -> Tensor:
        """Return features (B, T, D) for an observation in its own units."""
        return self.layers(self.encoder(observation)).unflatten(1, (self.steps, self.width))

    def compile(self) -> None:
        """Let torch compile the layers alone: the checks of what comes in would break the graph."""
        self.layers.compile()

    @property
    def blocks(self) -> Iterable[nn.Module]:
        """What it computes one after the other."""
        return (layer for layer in self.layers if isinstance(layer, nn.Linear))
