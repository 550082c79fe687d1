"""The contract of a head. B batch, L positions, D width, V tokens."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn


class Head(nn.Module, ABC):
    """Maps features (B, L, D) to logits (B, L, V) over the tokens of each position.

    Constructors take ``width`` (D) and ``values`` (L, V): what the tokens of each position mean.
    """

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor: ...

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return name and arguments for the registry."""
