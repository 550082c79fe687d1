"""The contract of a head. B batch, n positions of the L of a chunk, D width, V tokens."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn


class Head(nn.Module, ABC):
    """Maps features to logits over the tokens of each position.

    Constructors take ``width`` (D) and ``points``, a `TokenPoints`: what the tokens of each position mean.
    """

    @abstractmethod
    def forward(self, features: Tensor, first: int = 0) -> Tensor:
        """Return logits (B, n, V) for features (B, n, D) of the positions ``first`` to ``first + n``."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return name and arguments for the registry."""
