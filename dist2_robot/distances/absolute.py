"""Absolute difference: a metric of negative type, so the energy loss is proper with it."""

import math

import torch
from torch import Tensor

from dist2_robot.distances.difference import difference
from dist2_robot.distances.protocol import Distance


class AbsoluteDistance(Distance):
    """``d(a, b) = |a - b|``; on a dimension that wraps the chord, ``P / pi * sin(pi |a - b| / P)``.

    The chord, and not the arc, because only the chord is the Euclidean distance of two points (on a circle) and
    so strictly of negative type. For small differences both agree. Points of several coordinates have their Euclidean
    distance.
    """

    name = "absolute"

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        delta = difference(a, b, period)
        if period is None:
            return delta[..., 0].abs() if delta.shape[-1] == 1 else torch.linalg.vector_norm(delta, dim=-1)
        return period / math.pi * torch.sin(math.pi * torch.linalg.vector_norm(delta, dim=-1) / period)
