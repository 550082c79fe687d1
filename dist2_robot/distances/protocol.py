"""The contract of a distance between two tokens. G groups of positions, V tokens, D coordinates of a token."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

UNITS = ("tolerance", "bins")
_CHUNK = 2**22  # coordinates that are compared at a time, so that large codebooks fit into memory


class Distance(ABC):
    """Symmetric, non-negative, zero on the diagonal.

    Attributes:
        unit: What a step of 1 is: ``tolerance`` (the error that matters, so that one temperature fits every
            dimension) or ``bins`` (the distance between neighbouring tokens, the published setting).
        power: What power of a length it is, 2 where near by it is the square of one: its root of that power is a
            length in the unit.
    """

    name: str
    power: float = 1.0

    def __init__(self, unit: str = "tolerance") -> None:
        if unit not in UNITS:
            raise ValueError(f"a distance is measured in 'tolerance' or 'bins', not in '{unit}'")
        self.unit = unit

    @abstractmethod
    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        """Return d(a, b), broadcast, without the last dimension.

        Args:
            a: Points (..., D), divided by the unit.
            b: Points (..., D), divided by the unit.
            period: The length after which values repeat, divided by the unit, for a dimension that wraps.
        """

    def table(self, points: Tensor, period: float | None = None) -> Tensor:
        """Return the distances (V, V) between every two of the points (V, D)."""
        rows = max(1, _CHUNK // points.numel())
        return torch.cat([self(part[:, None], points[None], period) for part in points.split(rows)])

    def tables(self, points: Tensor, periods: Sequence[float | None], valid: Tensor | None = None) -> Tensor:
        """Return the tables (G, V, V) of all groups' points (G, V, D).

        Args:
            points: (G, V, D), divided by the unit.
            periods: One a group, None where values do not repeat.
            valid: (G, V), which tokens there are, where groups have fewer than V; None for all.
        """
        return torch.stack([self.table(p, period) for p, period in zip(points, periods, strict=True)])

    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds this distance anew."""
        return {"name": self.name, "unit": self.unit}
