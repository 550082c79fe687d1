"""Squared difference: the distance of the DIST2Loss paper (arXiv 2503.02379)."""

from torch import Tensor

from dist2_robot.distances.difference import difference
from dist2_robot.distances.protocol import Distance


class SquaredDistance(Distance):
    """``d(a, b) = |a - b|^2``, the short way round where values wrap.

    With temperature tau its target is a Gaussian of variance tau / 2 in every coordinate. Not of strict negative type:
    as an energy score it would judge the mean only.
    """

    name = "squared"
    power = 2.0

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        return difference(a, b, period).square().sum(-1)
