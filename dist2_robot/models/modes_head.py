"""A mixture whose weights belong to the whole chunk: two right answers are two right *chunks*.

A mode k is a hypothesis of the chunk: a mean m_k and a scale s_k at every position. Its weight w_k is the same at all
of them. The logits of a position are ``log width(v) + log sum_k w_k f((v - m_k) / s_k) / s_k``, as those of
`MixtureHead`, whose components choose at each position by themselves, and so mix ways (docs/derivation.md).

B batch, Q queries, n positions, D width, V tokens, K modes.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.models.head import Head
from dist2_robot.models.mixture_density import mixture_density
from dist2_robot.models.mixture_head import KINDS
from dist2_robot.models.token_places import TokenPlaces
from dist2_robot.types import Modes, Prediction

FIRST_SCALE = 0.25  # of the axis from -1 to 1, before anything is learned


class ModesHead(Head):
    """(B, Q, D) -> modes of the chunk -> logits (B, n, V).

    Means are as the features say, without anchors: what keeps them apart is the joint energy score
    (`JointEnergyLoss`), which rewards modes for lying where the demonstrations are, and for differing.
    """

    def __init__(
        self,
        width: int,
        points: TokenPoints,
        places: int = 1,
        modes: int = 4,
        min_scale_bins: float = 0.25,
        kind: str = "logistic",
    ) -> None:
        """Args: width: D. points: Of ordered tokens. places: Positions of a query. modes: K.

        min_scale_bins: The smallest scale, in mean bin widths.
        kind: ``logistic`` or ``gaussian``.
        """
        if modes < 1:
            raise ValueError(f"a chunk needs at least one mode, got {modes}")
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {sorted(KINDS)}, got '{kind}'")
        if not points.is_ordered or points.digits > 1:
            raise ValueError("modes need tokens that stand for one number each: use head=factored or free")
        super().__init__(width, 2 * modes, places)
        self.modes, self.min_scale_bins, self.kind = modes, min_scale_bins, kind
        self.tokens = TokenPlaces(points)
        self.weights = nn.Linear(width, modes)
        with torch.no_grad():  # the means lie over the range, the middles of K cells of half of it
            mean, raw_scale = self.linear.bias.view(places, 2, modes).unbind(1)
            mean[:] = 0.5 * ((2 * torch.arange(modes) + 1) / modes - 1)
            raw_scale[:] = math.log(math.expm1(FIRST_SCALE))

    def mode_weights(self, features: Tensor) -> Tensor:
        return torch.log_softmax(self.weights(features.mean(dim=1)), dim=-1)

    def predict(self, features: Tensor, first: int = 0, log_weights: Tensor | None = None) -> Prediction:
        mean, raw_scale = self.describe(features).chunk(2, dim=-1)  # (B, n, K)
        spacing = self.tokens.at(self.tokens.spacing, first, mean.shape[1])
        scale = F.softplus(raw_scale) + self.min_scale_bins * spacing
        modes = Modes(self.mode_weights(features) if log_weights is None else log_weights, mean, scale)
        return Prediction(self.density(modes, first), modes)

    def density(self, modes: Modes, first: int = 0) -> Tensor:
        count = modes.means.shape[1]
        places, period = (self.tokens.at(x, first, count) for x in (self.tokens.places[..., 0], self.tokens.period))
        inverse_scale = 1 / modes.scales
        log_height = modes.log_weights[:, None] + inverse_scale.log()
        period = period if self.tokens.wraps else None
        logits = mixture_density(KINDS[self.kind], log_height, modes.means, inverse_scale, places, period)
        return logits if self.tokens.log_width is None else logits + self.tokens.at(self.tokens.log_width, first, count)

    def forward(self, features: Tensor, first: int = 0) -> Tensor:
        return self.predict(features, first).logits

    def config(self) -> dict[str, Any]:
        """Return name and arguments for the registry."""
        return {"name": "modes", "modes": self.modes, "min_scale_bins": self.min_scale_bins, "kind": self.kind}
