"""Bins of equal mass under a normal distribution: fine round the mean, coarse far from it."""

from typing import Any

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.tokenizers.binned import BinnedTokenizer
from dist2_robot.tokenizers.quantile import with_uniform_share
from dist2_robot.tokenizers.uniform import uniform_edges

LEAST_STD = 1e-6  # of the range, for dimensions that never move


class GaussianTokenizer(BinnedTokenizer):
    """Inner edges are 95 % those of equal mass under ``N(mean, std)`` cut off at the limits, 5 % uniform.

    With the cumulative distribution F of the fitted normal, edge i lies at
    ``F^-1(F(low) + i / V * (F(high) - F(low)))``. Two numbers a dimension are fitted, so few demonstrations are enough,
    and values that repeat exactly give no bins of no width as quantiles may; what is not normal at all, such as a
    gripper, gets bins where it never is. Dimensions that wrap are fitted between their limits like all others. Before
    `fit` the bins are uniform.
    """

    def __init__(self, spec: ActionSpec, horizon: int, bins: int = 256) -> None:
        """Args: spec: Limits and tolerances. horizon: Steps of a chunk. bins: Tokens of a dimension, V."""
        super().__init__(spec, horizon, uniform_edges(spec, bins))

    def _fit(self, actions: Tensor) -> None:
        """Take mean and spread of chunks (N, T, A), column by column; actions beyond the limits count as the limits."""
        if not len(actions):
            raise ValueError("there is no whole chunk to fit normal distributions to")
        columns = self.in_limits(actions.flatten(0, -2))
        low, high = self._low[:, None], self._high[:, None]
        mean = columns.mean(dim=0)[:, None]  # (A, 1), between the limits, so that half of some side's mass is inside
        std = columns.std(dim=0, correction=0)[:, None].clamp(min=LEAST_STD * (high - low))
        below, above = (torch.special.ndtr((limit - mean) / std) for limit in (low, high))
        share = torch.arange(self.vocab_size + 1, dtype=torch.float64, device=columns.device) / self.vocab_size
        z = torch.special.ndtri((below + share * (above - below))[:, 1:-1])  # the limits themselves may be infinite
        inner = torch.minimum(torch.maximum(mean + std * z, low), high)
        self.set_edges(with_uniform_share(self.moving, torch.cat([low, inner, high], dim=1)))

    def config(self) -> dict[str, Any]:
        return {"name": "gaussian", "horizon": self.horizon, "bins": self.vocab_size}
