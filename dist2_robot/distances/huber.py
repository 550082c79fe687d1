"""Huber's distance: squared near the truth, linear far from it."""

import math
from typing import Any

import torch
from torch import Tensor

from dist2_robot.distances.difference import difference
from dist2_robot.distances.protocol import Distance


class HuberDistance(Distance):
    """``d(a, b) = r^2`` for ``r = |a - b| <= delta``, else ``2 delta r - delta^2``; the short way round where it wraps.

    It is twice the function of Huber (1964, Annals of Mathematical Statistics 35, p. 73), so that it equals the squared
    distance inside and shares its temperature: the target is a Gaussian of variance tau / 2 up to delta, with the tails
    of a Laplace distribution of scale tau / (2 delta) beyond. A far token keeps some mass where the squared distance
    leaves none.

    Not of negative type (its second derivative is a box, whose Fourier transform takes both signs), so nothing for the
    energy loss.
    """

    name = "huber"
    power = 2.0

    def __init__(self, delta: float = 3.0, unit: str = "tolerance") -> None:
        """Args: delta: Where the distance turns linear, in the unit. unit: See `Distance`."""
        super().__init__(unit)
        if not 0 < delta < math.inf:
            raise ValueError(f"delta must be positive and finite, got {delta}")
        self.delta = delta

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        length = torch.linalg.vector_norm(difference(a, b, period), dim=-1)
        inside = length.clamp(max=self.delta)
        return inside * (2 * length - inside)  # r r inside, delta (2 r - delta) outside

    def config(self) -> dict[str, Any]:
        return super().config() | {"delta": self.delta}
