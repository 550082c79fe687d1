"""Squared chord of a circle: the squared distance of a dimension that wraps, without a kink half a turn away."""

import math

import torch
from torch import Tensor

from dist2_robot.distances.difference import difference
from dist2_robot.distances.protocol import Distance


class CircularDistance(Distance):
    """``d(a, b) = P^2 / pi^2 * sin^2(pi |a - b| / P)``, summed over coordinates; without a period ``|a - b|^2``.

    P is the period. The distance is the squared straight line between two points of a circle of circumference P, so
    that for small differences it is the squared distance. With temperature tau its target is a von Mises distribution
    of concentration ``kappa = P^2 / (2 pi^2 tau)`` (the circular Gaussian: Mardia and Jupp 2000, section 3.5.4).

    Of negative type, as squared Euclidean distances are, but not strictly for more than three tokens: as an energy
    score it would judge the mean direction only. Its root, the chord, is `absolute`.
    """

    name = "circular"
    power = 2.0

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        delta = difference(a, b, period)
        if period is None:
            return delta.square().sum(-1)
        return (period / math.pi * torch.sin(math.pi * delta / period)).square().sum(-1)
