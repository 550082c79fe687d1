"""Equal bins, and in each action dimension as many as it needs: two for a gripper, many for a joint."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.tokenizers.binned import BinnedTokenizer
from dist2_robot.tokenizers.uniform import uniform_edges

ROUNDING = 1e-9  # a range of 100 tolerances must not need 101 bins because 0.01 is no binary number


class PerDimensionTokenizer(BinnedTokenizer):
    """``V_a`` uniform bins of dimension a, given one by one or found from the error that is allowed.

    With ``max_error`` e, in tolerances, ``V_a = ceil((high - low) / (2 e tolerance))``, at least 2: a round trip errs
    by e tolerances at most. The vocabulary is as large as the largest V_a. Tokens that a dimension lacks are marked in
    `TokenPoints.valid`: no action is encoded as one, and decoding one is an error. Their points only fill the table:
    they crowd within two bins beyond the upper limit, so that an axis over all tokens is spent on those that there are.
    """

    def __init__(
        self, spec: ActionSpec, horizon: int, bins: Sequence[int] | None = None, max_error: float = 0.5
    ) -> None:
        """Count the bins and place them.

        Args:
            spec: Limits and tolerances.
            horizon: Steps of a chunk.
            bins: One number a dimension, in their order, those that never move included; None: from max_error.
            max_error: The largest error of a round trip, in tolerances; of no effect where bins are given.

        Raises:
            ValueError: A number of bins is missing, no whole number or below 2, or the error is not positive.
        """
        self.bins = None if bins is None else list(bins)
        self.max_error = max_error
        counts = bins_for_error(spec, max_error) if bins is None else _checked(spec, bins)
        vocab_size = max(counts)
        rows = [_filled(uniform_edges(_alone(spec, a), n)[0], vocab_size) for a, n in enumerate(counts)]
        super().__init__(spec, horizon, torch.stack(rows), counts)

    def _decode(self, tokens: Tensor) -> Tensor:
        lacking = (tokens.unflatten(-1, (self.horizon, -1)) >= self.counts).flatten(0, -2).any(dim=0)  # (A,)
        if lacking.any():
            a = int(lacking.int().argmax())
            raise ValueError(
                f"action dimension '{self.moving.names[a]}' has {int(self.counts[a])} tokens, and there is none "
                f"numbered {int(tokens.unflatten(-1, (self.horizon, -1))[..., a].max())}"
            )
        return super()._decode(tokens)

    def config(self) -> dict[str, Any]:
        return {"name": "per_dimension", "horizon": self.horizon, "bins": self.bins, "max_error": self.max_error}


def bins_for_error(spec: ActionSpec, max_error: float) -> list[int]:
    """Return how many bins each dimension that moves needs for round trips that err by so many tolerances at most."""
    if not (max_error > 0 and math.isfinite(max_error)):
        raise ValueError(f"max_error must be a positive number of tolerances, got {max_error}")
    needed = [(d.high - d.low) / (2 * max_error * d.tolerance) for d in spec.moving.dimensions]
    return [max(2, math.ceil(n * (1 - ROUNDING))) for n in needed]


def _checked(spec: ActionSpec, bins: Sequence[int]) -> list[int]:
    if len(bins) != len(spec):
        raise ValueError(f"bins must be {len(spec)} numbers, one each for {', '.join(spec.names)}, got {list(bins)}")
    for name, n in zip(spec.names, bins, strict=True):
        if isinstance(n, bool) or not isinstance(n, int) or n < 2:
            raise ValueError(f"action dimension '{name}' needs a whole number of at least 2 bins, got {n!r}")
    return [n for d, n in zip(spec.dimensions, bins, strict=True) if d.constant is None]


def _alone(spec: ActionSpec, dimension: int) -> ActionSpec:
    return replace(spec, dimensions=(spec.moving.dimensions[dimension],))


def _filled(edges: Tensor, vocab_size: int) -> Tensor:
    """Return edges (n + 1,) continued to (V + 1,): one bin as wide as the last, the others within as much again."""
    missing = vocab_size + 1 - len(edges)
    width = edges[-1] - edges[-2]
    beyond = [edges[-1:] + width] if missing else []
    if missing > 1:
        beyond.append(edges[-1] + width * (1 + torch.arange(1, missing, dtype=edges.dtype) / (missing - 1)))
    return torch.cat([edges, *beyond])
