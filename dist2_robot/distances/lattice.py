"""Steps from one token to another on the grid of their levels."""

from torch import Tensor

from dist2_robot.distances.difference import difference
from dist2_robot.distances.protocol import Distance


class LatticeDistance(Distance):
    """``d(a, b) = sum_k |a_k - b_k|``: how many steps of one level lead from a to b (Manhattan distance).

    For tokens that lie on a grid, as bins (one coordinate, the difference of bin numbers) and the codes of a finite
    scalar quantiser (one coordinate a level). The short way round where levels wrap. Always in bins.

    Of negative type, strictly only for bins on a line: on a grid of several coordinates it judges each coordinate's own
    distribution and not how they go together, and of levels that wrap see `GeodesicDistance`.
    """

    name = "lattice"

    def __init__(self, unit: str = "bins") -> None:
        super().__init__(unit)
        if unit != "bins":
            raise ValueError("the lattice distance counts steps between bins: use unit=bins")

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        return difference(a, b, period).abs().sum(-1)
