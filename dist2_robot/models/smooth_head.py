"""Logits that are a smooth curve over the token values.

``logit(v) = log width(v) + sum_j c_j B_j(v)``: coefficients c from the features, basis functions B of the value alone.
Fewer basis functions than tokens make neighbours share what is learned, with no assumption on the shape of the curve.

The basis is cubic B-splines on equal knots (de Boor 1978, A Practical Guide to Splines, chapter IX). They are local,
never negative and add up to 1, so raising one token's logit raises its neighbours' too, lowers none, and leaves those
more than four knots away as they were. And they contain every cubic polynomial, so every Gaussian, whose log is a
quadratic, can be predicted exactly, however narrow and wherever in the range; cosines and radial bumps cannot. Where
values wrap the splines do too.

B batch, Q queries, R kinds of positions, n positions, D width, V tokens, M basis functions.
"""

import math
from typing import Any

import torch
from torch import Tensor

from dist2_robot.distances.difference import difference
from dist2_robot.distances.points import TokenPoints
from dist2_robot.models.head import Head
from dist2_robot.models.token_places import TokenPlaces

MIN_BASES = 4  # a cubic spline has four functions at every place


class SmoothHead(Head):
    """(B, Q, D) -> coefficients (B, n, M) -> logits (B, n, V)."""

    basis: Tensor

    def __init__(self, width: int, points: TokenPoints, places: int = 1, bases: int = 16) -> None:
        """Args: width: D. points: Of ordered tokens. places: Positions of a query.

        bases: M; more allow sharper curves, fewer share more.
        """
        super().__init__(width, bases, places)
        if bases < MIN_BASES:
            raise ValueError(f"a cubic spline needs at least {MIN_BASES} bases, got {bases}")
        if not points.is_ordered:
            raise ValueError("a smooth head needs tokens that stand for one number each: use head=factored or free")
        self.bases = bases
        self.tokens = TokenPlaces(points)
        rows = zip(self.tokens.places[..., 0].double(), self.tokens.period[:, 0].tolist(), strict=True)
        basis = torch.stack([spline_basis(places, bases, period) for places, period in rows])
        self.register_buffer("basis", basis.float(), persistent=False)  # (R, V, M)

    def forward(self, features: Tensor, first: int = 0) -> Tensor:
        return self.tokens.logits(self.describe(features), self.basis, self.tokens.log_width, first)

    def config(self) -> dict[str, Any]:
        """Return name and arguments for the registry."""
        return {"name": "smooth", "bases": self.bases}


def spline_basis(places: Tensor, bases: int, period: float = math.inf) -> Tensor:
    """Return M cubic B-splines (V, M) at places (V,) in [-1, 1], or on a circle whose length is ``period``."""
    if math.isinf(period):  # all that are not zero somewhere in [-1, 1]
        step = 2 / (bases - 3)
        centres = -1 + step * (torch.arange(bases, dtype=places.dtype) - 1)
        u = (places[:, None] - centres) / step
    else:
        step = period / bases
        centres = -1 + step * torch.arange(bases, dtype=places.dtype)
        u = difference(places[:, None], centres, period) / step
    u = u.abs()
    inner, outer = 2 / 3 - u**2 + u**3 / 2, (2 - u).clamp(min=0) ** 3 / 6
    return torch.where(u < 1, inner, outer)
