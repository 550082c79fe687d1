"""Bins of equal mass: fine where the demonstrations are, coarse elsewhere."""

from typing import Any

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.tokenizers.binned import BinnedTokenizer
from dist2_robot.tokenizers.uniform import uniform_edges

UNIFORM_SHARE = 0.05


class QuantileTokenizer(BinnedTokenizer):
    """Inner edges are ``(1 - s) * quantile + s * uniform`` with s = 5 %, the outer ones the limits of the spec.

    The uniform share keeps every bin open where many actions are the same: a dimension that never moves gets narrow
    bins round its value, never bins of no width. Before `fit` the bins are uniform.
    """

    def __init__(self, spec: ActionSpec, horizon: int, bins: int = 256) -> None:
        """Args: spec: Limits and tolerances. horizon: Steps of a chunk. bins: Tokens of a dimension, V."""
        super().__init__(spec, horizon, uniform_edges(spec, bins))

    def _fit(self, actions: Tensor) -> None:
        """Take the quantiles of chunks (N, T, A), column by column; actions beyond the limits count as the limits."""
        if not len(actions):
            raise ValueError("there is no whole chunk to take quantiles of")
        columns = self.in_limits(actions.flatten(0, -2)).cpu()
        share = torch.arange(self.vocab_size + 1, dtype=torch.float64) / self.vocab_size
        # Column by column on sorted values: torch.quantile refuses more than 16 million numbers.
        place = share * (len(columns) - 1)
        ordered = columns.sort(dim=0).values
        below, above = ordered[place.floor().long()], ordered[place.ceil().long()]
        quantiles = torch.lerp(below, above, (place - place.floor())[:, None]).T
        self.set_edges(with_uniform_share(self.moving, quantiles))

    def config(self) -> dict[str, Any]:
        return {"name": "quantile", "horizon": self.horizon, "bins": self.vocab_size}


def with_uniform_share(spec: ActionSpec, quantiles: Tensor) -> Tensor:
    """Return edges (A, V + 1) that leave no bin empty: 95 % quantiles, 5 % uniform edges, and the limits themselves."""
    uniform = uniform_edges(spec, quantiles.shape[-1] - 1)
    edges = (1 - UNIFORM_SHARE) * quantiles + UNIFORM_SHARE * uniform
    edges[:, 0], edges[:, -1] = uniform[:, 0], uniform[:, -1]
    return edges
