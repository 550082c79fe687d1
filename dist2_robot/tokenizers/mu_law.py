"""Bins that are fine near the middle of the range and coarse at its ends, as in telephony (ITU-T G.711)."""

import math
from typing import Any

import torch

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.tokenizers.binned import BinnedTokenizer
from dist2_robot.tokenizers.uniform import uniform_edges


class MuLawTokenizer(BinnedTokenizer):
    """With u in [-1, 1] on a uniform grid, edges lie at ``sign(u) ((1 + mu)^|u| - 1) / mu`` of half the range.

    For delta actions, most of which are small.
    """

    def __init__(self, spec: ActionSpec, horizon: int, bins: int = 256, mu: float = 15.0) -> None:
        """Args: spec: Limits and tolerances. horizon: Steps of a chunk. bins: V. mu: Positive; larger is finer at 0."""
        if not (mu > 0 and math.isfinite(mu)):
            raise ValueError(f"mu must be positive and finite, got {mu}")
        uniform = uniform_edges(spec, bins)
        low, high = uniform[:, :1], uniform[:, -1:]
        middle, half = (low + high) / 2, (high - low) / 2
        u = (uniform - middle) / half
        edges = middle + half * torch.sign(u) * torch.expm1(u.abs() * math.log1p(mu)) / mu
        edges[:, :1], edges[:, -1:] = low, high
        super().__init__(spec, horizon, edges)
        self.mu = mu

    def config(self) -> dict[str, Any]:
        return {"name": "mu_law", "horizon": self.horizon, "bins": self.vocab_size, "mu": self.mu}
