"""Absolute difference: a metric of negative type, so the energy loss is proper with it."""

import math

import torch
from torch import Tensor

from dist2_robot.distances.difference import difference
from dist2_robot.distances.protocol import check_unit


class AbsoluteDistance:
    """``d(a, b) = |a - b|``; on a dimension that wraps the chord, ``P / pi * sin(pi |a - b| / P)``.

    The chord, and not the arc, because only the chord is the Euclidean distance of two points (on a circle) and
    so strictly of negative type. For small differences both agree.
    """

    def __init__(self, unit: str = "tolerance") -> None:
        self.unit = check_unit(unit)

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        delta = difference(a, b, period).abs()
        if period is None:
            return delta
        return period / math.pi * torch.sin(math.pi * delta / period)
