"""Euclidean distance of code vectors, or their mean squared error."""

from typing import Any

from torch import Tensor

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.difference import difference


class EuclideanDistance(AbsoluteDistance):
    """``d(a, b) = |a - b|``; with ``squared`` the mean squared error ``|a - b|^2 / D`` over the D coordinates.

    The name for codebooks. Not squared it *is* the absolute distance, which of several coordinates is the Euclidean
    one (a dimension that wraps has its chord). The mean squared error between code embeddings is the published setting
    for vector-quantised images (arXiv 2503.02379), with tau found by matching an entropy: see temperature=entropy.
    Unlike `squared`, which adds the coordinates up, it does not grow with D.

    Strictly of negative type, so fit for the energy loss; with ``squared`` not strictly for more than D + 1 codes.
    """

    name = "euclidean"

    def __init__(self, squared: bool = False, unit: str = "tolerance") -> None:
        """Args: squared: Whether to take the mean squared error. unit: See `Distance`."""
        super().__init__(unit)
        self.squared = squared
        self.power = 2.0 if squared else 1.0

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        if self.squared:
            return difference(a, b, period).square().mean(-1)
        return super().__call__(a, b, period)

    def config(self) -> dict[str, Any]:
        return super().config() | {"squared": self.squared}
