"""How wide a target distribution is. G groups of positions, V tokens."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from dist2_robot.distances.table import DistanceTable


class Temperature(ABC):
    """Chooses tau of ``softmax(-d / tau)`` for each group of positions."""

    @abstractmethod
    def __call__(self, distances: DistanceTable) -> Tensor:
        """Return one temperature a group, (G,), float64, positive."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds this temperature anew."""


class FixedTemperature(Temperature):
    """The same tau, in the unit of the distances, everywhere."""

    def __init__(self, tau: float = 2.0) -> None:
        if not tau > 0:
            raise ValueError(f"tau must be positive, got {tau}")
        self.tau = tau

    def __call__(self, distances: DistanceTable) -> Tensor:
        return torch.full((len(distances.distances),), self.tau, dtype=torch.float64)

    def config(self) -> dict[str, Any]:
        return {"name": "fixed", "tau": self.tau}
