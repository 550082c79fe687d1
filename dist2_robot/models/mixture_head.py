"""Logits built from the token values, so that neighbouring tokens share what is learned.

The logits of a position are the log density of a mixture of K distributions at the values of its tokens, weighted with
the widths of their bins: ``logit(v) = log width(v) + log sum_k w_k f((v - m_k) / s_k) / s_k``; the softmax over tokens
normalises it. With logistics, ``f(z) = sech^2(z / 2) / 4``, it is the mixture of PixelCNN++ (Salimans 2017, section
2.1) taken at the bin centres in place of the differences of its cumulative distribution: cheaper, the same for small
bins, and what lies beyond the limits goes to the edge bins by the normalisation.

Each component has an anchor, and its mean stays within ``reach`` cells of it, a cell being the K-th part of the range.
To change its mind from one end of the range to the other a policy must then move weight between components, and on the
way it believes in both. Means that roam move through all that lies between, and two right answers for nearly the same
input become one wrong one (docs/log.md).

Where values wrap, ``v - m`` is the short way round: means lie on a circle, and both ends of the range are neighbours.

B batch, Q queries, L positions, n of them, D width, V tokens, K components.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dist2_robot.distances.points import TokenPoints
from dist2_robot.models.gaussian_mixture import Gaussian
from dist2_robot.models.head import Head
from dist2_robot.models.logistic_mixture import Logistic
from dist2_robot.models.mixture_density import Bump, mixture_density
from dist2_robot.models.token_places import TokenPlaces

KINDS: dict[str, type[Bump]] = {"logistic": Logistic, "gaussian": Gaussian}


class MixtureHead(Head):
    """(B, Q, D) -> logits (B, n, V) through weights, means and scales of K components.

    Means and scales live on an axis where the tokens of each position span [-1, 1].
    """

    anchors: Tensor

    def __init__(
        self,
        width: int,
        points: TokenPoints,
        places: int = 1,
        components: int = 4,
        min_scale_bins: float = 0.25,
        kind: str = "logistic",
        reach: float = 1.0,
    ) -> None:
        """Args: width: D. points: Of ordered tokens. places: Positions of a query. components: K.

        min_scale_bins: The smallest scale, in mean bin widths: narrower than a bin nothing is gained.
        kind: ``logistic`` or ``gaussian``.
        reach: How far a mean gets from its anchor, in cells of 2 / K; 0 to roam.
        """
        if components < 1:
            raise ValueError(f"a mixture needs at least one component, got {components}")
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {sorted(KINDS)}, got '{kind}'")
        if reach != 0 and not reach > 0.5:
            raise ValueError(f"reach must be 0 (means roam), or more than 0.5 to get half-way to the next: got {reach}")
        if not points.is_ordered:
            raise ValueError("a mixture head needs tokens that stand for one number each: use head=factored or free")
        super().__init__(width, 3 * components, places)
        self.components, self.min_scale_bins, self.kind, self.reach = components, min_scale_bins, kind, reach
        self.tokens = TokenPlaces(points)
        anchors = (2 * torch.arange(components) + 1) / components - 1  # the middles of K cells of [-1, 1]
        self.register_buffer("anchors", anchors, persistent=False)
        with torch.no_grad():  # start with components spread over the range, each half a cell wide
            _, mean, raw_scale = self.linear.bias.view(places, 3, components).unbind(1)
            mean[:] = 0.0 if reach else anchors
            raw_scale[:] = math.log(math.expm1(1 / components))

    def forward(self, features: Tensor, first: int = 0) -> Tensor:
        log_weight, mean, raw_scale = self.describe(features).chunk(3, dim=-1)  # (B, n, K)
        count = mean.shape[1]
        places, period, spacing = (
            self.tokens.at(x, first, count)
            for x in (self.tokens.places[..., 0], self.tokens.period, self.tokens.spacing)
        )
        inverse_scale = 1 / (F.softplus(raw_scale) + self.min_scale_bins * spacing)
        log_height = torch.log_softmax(log_weight, dim=-1) + inverse_scale.log()
        if self.reach:
            mean = self.anchors + self.reach * (2 / self.components) * torch.tanh(mean)
        period = period if self.tokens.wraps else None
        logits = mixture_density(KINDS[self.kind], log_height, mean, inverse_scale, places, period)
        return logits if self.tokens.log_width is None else logits + self.tokens.at(self.tokens.log_width, first, count)

    def config(self) -> dict[str, Any]:
        """Return name and arguments for the registry."""
        return {
            "name": "mixture",
            "components": self.components,
            "min_scale_bins": self.min_scale_bins,
            "kind": self.kind,
            "reach": self.reach,
        }
