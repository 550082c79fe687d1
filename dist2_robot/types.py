"""What the rooms hand to each other. B batch, T time steps of a chunk, A action dimensions, L tokens of a chunk."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

STATE = "observation.state"
ENVIRONMENT_STATE = "observation.environment_state"
ACTION = "action"


@dataclass(frozen=True)
class Observation:
    """What a robot senses at one moment, for a batch.

    Attributes:
        features: LeRobot's feature names -> tensors with a leading batch dimension, in the units of the dataset.
    """

    features: Mapping[str, Tensor]

    @property
    def batch_size(self) -> int:
        return next(iter(self.features.values())).shape[0]

    def to(self, device: torch.device | str) -> "Observation":
        """Return the same observation on another device."""
        return Observation({name: value.to(device, non_blocking=True) for name, value in self.features.items()})


@dataclass(frozen=True)
class Batch:
    """Observations with the action chunks that a demonstrator chose for them.

    Attributes:
        observation: What was seen, (B, ...).
        actions: What was done from then on, (B, T, A), in the units of the action spec.
        is_padding: (B, T), true where the episode had already ended and the last action is repeated.
    """

    observation: Observation
    actions: Tensor
    is_padding: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """Return the same batch on another device."""
        return Batch(self.observation.to(device), self.actions.to(device), self.is_padding.to(device))


@dataclass(frozen=True)
class ActionChunk:
    """The next actions that a policy wants.

    Attributes:
        actions: (B, T, A), in the units of the action spec.
        tokens: (B, L), the tokens behind them, or None for a policy without tokens.
        entropy: (B, L), how unsure the policy was of each token, in nats, or None.
    """

    actions: Tensor
    tokens: Tensor | None = None
    entropy: Tensor | None = None
