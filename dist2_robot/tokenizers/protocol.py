"""The contract of an action tokenizer. B batch, T steps, A action dimensions, L tokens of a chunk, V vocabulary."""

from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from dist2_robot.distances.protocol import Distance
from dist2_robot.distances.table import DistanceTable


@runtime_checkable
class Tokenizer(Protocol):
    """Cuts a chunk of actions into tokens, and knows what each token means.

    What was fitted is kept in buffers of a torch module, so it is part of the checkpoint and moves with the policy.
    """

    vocab_size: int
    tokens_per_chunk: int
    horizon: int

    def encode(self, actions: Tensor) -> Tensor:
        """Return the tokens (B, L) of action chunks (B, T, A). Raises ValueError where an action is not finite."""
        ...

    def decode(self, tokens: Tensor) -> Tensor:
        """Return the action chunks (B, T, A) that tokens (B, L) stand for. Raises ValueError for an unknown token."""
        ...

    def to_actions(self, values: Tensor) -> Tensor:
        """Return action chunks (B, T, A) from one value per token position (B, L), e.g. an expected value."""
        ...

    def to_values(self, actions: Tensor) -> Tensor:
        """Return the value that each token position stands for, (B, L), before it is cut; `to_actions` undoes it."""
        ...

    def padding_mask(self, is_padding: Tensor) -> Tensor:
        """Return the tokens (B, L) that count for nothing, given the steps (B, T) that do."""
        ...

    def values(self) -> Tensor:
        """Return what each token means at each position, (L, V), in the units of the action spec."""
        ...

    def distances(self, distance: Distance) -> DistanceTable:
        """Return how far apart the tokens of each position are."""
        ...

    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds this tokenizer anew."""
        ...
