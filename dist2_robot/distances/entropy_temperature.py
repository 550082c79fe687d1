"""A temperature that gives targets a wanted entropy. G groups of positions, V tokens."""

import math
from typing import Any

import torch
from torch import Tensor

from dist2_robot.distances.matched_temperature import MatchedTemperature, Moments


class EntropyTemperature(MatchedTemperature):
    """tau of each group so that ``mean over x of -sum_v p_d(v | x) log p_d(v | x)`` is a wanted entropy, in nats.

    ``exp(nats)`` tokens share the mass of a target, so to speak. The mean is over all tokens of the group. As
    ``H = E d / tau + log sum_v exp(-d / tau)`` and ``dH / d log tau = Var d / tau^2 >= 0``, there is one tau at most;
    it is found to 1e-8 of the entropy. The published way to choose tau for codebooks, whose distances have no unit of
    their own (arXiv 2503.02379).

    Reachable is what lies between the mean logarithm of how many tokens are at distance 0 (0 without doubles) and the
    logarithm of how many tokens there are; anything else raises ValueError.
    """

    def __init__(self, nats: float = 2.0) -> None:
        """Args: nats: The entropy wanted; 2 nats are about 7 tokens."""
        if not 0 < nats < math.inf:
            raise ValueError(f"the entropy of a target must be positive and finite, got {nats} nats")
        self.nats = nats

    def wanted(self, power: float) -> float:
        return self.nats

    def statistic(self, moments: Moments) -> tuple[Tensor, Tensor]:
        return moments.mean / moments.tau + moments.log_sum, moments.variance / moments.tau.square()

    def limits(self, distances: Tensor, valid: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        doubles = ((distances == 0) & valid[:, None, :]).sum(-1).clamp(min=1).log()  # (G, V)
        low = doubles.masked_fill(~rows, 0.0).sum(1, dtype=torch.float64) / rows.sum(1)
        return low, valid.sum(1).double().log()

    def explain(self, group: int, tokens: int, low: float, high: float, power: float) -> str:
        return (
            f"no temperature gives targets of {self.nats} nats: with the {tokens} tokens of group {group} they have "
            f"more than {low:.4g} and less than {high:.4g} nats"
        )

    def config(self) -> dict[str, Any]:
        return {"name": "entropy", "nats": self.nats}
