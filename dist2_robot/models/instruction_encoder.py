"""The contract of what reads a task. B batch, D width."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn


class InstructionEncoder(nn.Module, ABC):
    """Tasks in words to one vector each."""

    @abstractmethod
    def forward(self, tasks: Sequence[str]) -> Tensor:
        """Return (B, D). Raises ValueError for a task that it cannot read."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds such an encoder anew, for known tasks and a width."""
