"""Squared difference: the distance of the DIST2Loss paper (arXiv 2503.02379)."""

from torch import Tensor

from dist2_robot.distances.difference import difference
from dist2_robot.distances.protocol import check_unit


class SquaredDistance:
    """``d(a, b) = (a - b)^2``. With temperature tau its target is a Gaussian of variance tau / 2."""

    def __init__(self, unit: str = "tolerance") -> None:
        self.unit = check_unit(unit)

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        return difference(a, b, period).square()
