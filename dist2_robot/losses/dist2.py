"""DIST2Loss: cross-entropy plus a pull towards tokens that are near the true one (arXiv 2503.02379).

The target of a position with true token x is ``p_d(v) = softmax_v(-d(v, x) / tau)``, and
``L = CE + alpha * KL(p_d || p)``. With the token as action and ``-d`` as its reward, p_d is the closed-form optimum of
entropy-regularised policy optimisation, so the KL term distils that optimum without sampling.

G groups of positions that share distances, L positions, V tokens, N positions of a whole batch.
"""

import math

import torch
from torch import Tensor, nn

from dist2_robot.distances.table import DistanceTable
from dist2_robot.distances.target import soft_targets
from dist2_robot.distances.temperature import Temperature
from dist2_robot.losses.output import LossOutput, masked_mean, mean_cross_entropy


class Dist2Loss(nn.Module):
    """``ce_weight * CE + alpha * KL(p_d || p)``, averaged over positions.

    ``alpha=0`` is cross-entropy to the bit; ``ce_weight=0`` trains on the distance target alone. p is normalised over
    the whole vocabulary. The published setting is `Dist2Loss.paper`.
    """

    target_table: Tensor
    negative_entropy: Tensor
    groups: Tensor

    def __init__(
        self,
        distances: DistanceTable,
        tau: float | Temperature = 2.0,
        alpha: float = 1.0,
        ce_weight: float = 1.0,
    ) -> None:
        """Args: distances: How far apart tokens are. tau: Temperature, in the unit of the distances.

        alpha: Weight of the distance term. ce_weight: Weight of the one-hot term.
        """
        super().__init__()
        if not (alpha >= 0 and ce_weight >= 0 and 0 < alpha + ce_weight < math.inf):
            raise ValueError(f"alpha and ce_weight must be finite, not negative, not both 0: {alpha}, {ce_weight}")
        self.alpha = alpha
        self.ce_weight = ce_weight
        target = soft_targets(distances, tau)
        negative_entropy = torch.xlogy(target, target).sum(-1)
        self.register_buffer("target_table", target.float(), persistent=False)  # (G, V, V)
        self.register_buffer("negative_entropy", negative_entropy.float(), persistent=False)  # (G, V)
        self.register_buffer("groups", distances.groups, persistent=False)

    @classmethod
    def paper(cls, squared_bins: DistanceTable) -> "Dist2Loss":
        """Return the published setting: alpha 0.1 and tau 1 with squared differences of bin numbers.

        Its target has a variance of half a squared bin: with many bins it is nearly one-hot.
        """
        return cls(squared_bins, tau=1.0, alpha=0.1, ce_weight=1.0)

    def target(self, tokens: Tensor) -> Tensor:
        """Return p_d (..., L, V) for true tokens (..., L)."""
        return self.target_table[self.groups.expand_as(tokens), tokens]

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        cross_entropy = mean_cross_entropy(logits, targets, padding_mask)
        if self.alpha == 0:
            loss = self.ce_weight * cross_entropy if self.ce_weight != 1 else cross_entropy
            return LossOutput(loss, {"cross_entropy": cross_entropy.detach()})
        # KL(p_d || p) = sum p_d log p_d - sum p_d logits + logsumexp(logits): one expectation, one log-sum-exp.
        expected_logit = (self.target(targets) * logits).sum(-1)
        negative_entropy = self.negative_entropy[self.groups.expand_as(targets), targets]
        divergence = negative_entropy - expected_logit + torch.logsumexp(logits, dim=-1)  # (..., L)
        if metric_tokens is not None:
            divergence = divergence.masked_fill(~metric_tokens, 0.0)
        distance_term = masked_mean(divergence, padding_mask)
        loss = self.ce_weight * cross_entropy + self.alpha * distance_term
        return LossOutput(loss, {"cross_entropy": cross_entropy.detach(), "divergence": distance_term.detach()})
