"""Logits built from the token values, so that neighbouring tokens share what is learned.

The logits of a position are the log density of a mixture of K logistic distributions at the values of its tokens,
weighted with the widths of their bins: ``logit(v) = log width(v) + log sum_k w_k f((v - m_k) / s_k) / s_k`` with
``f(z) = sech^2(z / 2) / 4``; the softmax over tokens normalises it. It is the mixture of PixelCNN++ (Salimans 2017,
section 2.1) taken at the bin centres in place of the differences of its cumulative distribution: cheaper, the same
for small bins, and what lies beyond the limits goes to the edge bins by the normalisation.

B batch, L positions, D width, V tokens, K components.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.models.head import Head
from dist2_robot.models.logistic_mixture import logistic_mixture


class MixtureHead(Head):
    """(B, n, D) -> logits (B, n, V) through weights, means and scales of K logistics.

    Means and scales live on an axis where the tokens of each position span [-1, 1].
    """

    positions: Tensor
    log_width: Tensor | None

    def __init__(self, width: int, points: TokenPoints, components: int = 3, min_scale_bins: float = 0.25) -> None:
        """Args: width: D. points: Of ordered tokens. components: K.

        min_scale_bins: The smallest scale, in mean bin widths: narrower than a bin nothing is gained.
        """
        super().__init__()
        if components < 1:
            raise ValueError(f"a mixture needs at least one component, got {components}")
        if not points.is_ordered:
            raise ValueError("a mixture head needs tokens that stand for one number each: use head=free")
        values = points.points[points.groups, :, 0]  # (L, V)
        low, high = values[:, :1], values[:, -1:]
        positions = (2 * (values - low) / (high - low) - 1).float()
        self.components = components
        self.min_scale_bins = min_scale_bins
        self.min_scale = min_scale_bins * 2 / (values.shape[-1] - 1)
        self.register_buffer("positions", positions, persistent=False)  # (L, V)
        # A wide bin holds more than a narrow one of the same density; equal bins add nothing.
        edges = torch.nn.functional.pad((positions[:, 1:] + positions[:, :-1]) / 2, (1, 1))
        edges[:, 0], edges[:, -1] = 2 * positions[:, 0] - edges[:, 1], 2 * positions[:, -1] - edges[:, -2]
        widths = edges.diff(dim=1)
        log_width = torch.log(widths / widths.mean(dim=1, keepdim=True))
        is_equal = (log_width.abs() < 1e-3).all()
        self.register_buffer("log_width", None if is_equal else log_width, persistent=False)  # (L, V)
        self.linear = nn.Linear(width, 3 * components)
        with torch.no_grad():  # start with components spread over the range, each a fifth of it wide
            means = torch.linspace(-0.6, 0.6, components) if components > 1 else torch.zeros(1)
            self.linear.bias[components : 2 * components] = means
            self.linear.bias[2 * components :] = math.log(math.expm1(0.2))

    def forward(self, features: Tensor, first: int = 0) -> Tensor:
        log_weight, mean, raw_scale = self.linear(features).chunk(3, dim=-1)  # (B, n, K)
        inverse_scale = 1 / (F.softplus(raw_scale) + self.min_scale)
        log_height = torch.log_softmax(log_weight, dim=-1) + inverse_scale.log()
        here = slice(first, first + features.shape[1])
        points = self.positions[here].expand(len(features), -1, -1)  # (B, n, V)
        arguments = [x.flatten(0, 1) for x in (log_height, mean, inverse_scale, points)]
        logits = logistic_mixture(*arguments).unflatten(0, features.shape[:2])
        return logits if self.log_width is None else logits + self.log_width[here]

    def config(self) -> dict[str, Any]:
        """Return name and arguments for the registry."""
        return {"name": "mixture", "components": self.components, "min_scale_bins": self.min_scale_bins}
