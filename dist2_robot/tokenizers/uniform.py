"""Equal bins between the limits of each action dimension."""

from typing import Any

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.tokenizers.binned import BinnedTokenizer


class UniformTokenizer(BinnedTokenizer):
    """Bin i of dimension a spans ``low_a + (i, i + 1) * (high_a - low_a) / V``."""

    def __init__(self, spec: ActionSpec, horizon: int, bins: int = 256) -> None:
        """Args: spec: Limits and tolerances. horizon: Steps of a chunk. bins: Tokens of a dimension, V."""
        super().__init__(spec, horizon, uniform_edges(spec, bins))

    def config(self) -> dict[str, Any]:
        return {"name": "uniform", "horizon": self.horizon, "bins": self.vocab_size}


def uniform_edges(spec: ActionSpec, bins: int) -> Tensor:
    """Return equally spaced edges (A, bins + 1) from low to high."""
    if bins < 2:
        raise ValueError(f"a tokenizer needs at least 2 bins, got {bins}")
    share = torch.arange(bins + 1, dtype=torch.float64) / bins
    low = torch.tensor([d.low for d in spec.dimensions], dtype=torch.float64)[:, None]
    high = torch.tensor([d.high for d in spec.dimensions], dtype=torch.float64)[:, None]
    edges = low + share * (high - low)
    edges[:, -1] = high[:, 0]
    return edges
