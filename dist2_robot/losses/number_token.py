"""Number Token Loss: cross-entropy plus a regression-like term (Zausinger 2024, arXiv 2411.02083).

L positions, V tokens.
"""

from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.table import DistanceTable
from dist2_robot.losses.output import LossOutput, check_weights, log_probabilities, with_cross_entropy
from dist2_robot.losses.token_values import TokenValues


class NumberTokenWASLoss(nn.Module):
    """``ce_weight * CE + weight * sum_v p(v) d(v, x)``: the Wasserstein-1 distance to the true token.

    Args:
        distances: How far apart tokens are; absolute differences in the paper.
        weight: Of the term; 0.3 in the paper.
        ce_weight: Of cross-entropy.
    """

    distance_table: Tensor
    groups: Tensor

    def __init__(self, distances: DistanceTable, weight: float = 0.3, ce_weight: float = 1.0) -> None:
        super().__init__()
        check_weights(weight=weight, ce_weight=ce_weight)
        self.weight, self.ce_weight = weight, ce_weight
        table = distances.distances
        if distances.valid is not None:  # whatever stands in for the distance to a token that is not there
            table = table.masked_fill(~distances.valid[:, None, :], 0.0)
        self.register_buffer("distance_table", table, persistent=False)  # (G, V, V)
        self.register_buffer("groups", distances.groups, persistent=False)

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        distances = self.distance_table[self.groups.expand_as(targets), targets]  # (..., L, V)
        term = (log_probabilities(logits).exp() * distances).sum(-1)
        return with_cross_entropy(
            logits, targets, padding_mask, metric_tokens, ce_weight=self.ce_weight, number_token=(self.weight, term)
        )


class NumberTokenMSELoss(nn.Module):
    """``ce_weight * CE + weight * (sum_v p(v) value(v) - value(x))^2``, in squared tolerances.

    Any distribution with the right mean is as good as the truth to the second term. Where values wrap, differences are
    taken the short way round from the true token.

    Args:
        points: Of tokens with one coordinate.
        weight: Of the term; 0.3 in the paper.
        ce_weight: Of cross-entropy.
    """

    def __init__(self, points: TokenPoints, weight: float = 0.3, ce_weight: float = 1.0) -> None:
        super().__init__()
        check_weights(weight=weight, ce_weight=ce_weight)
        self.weight, self.ce_weight = weight, ce_weight
        self.tokens = TokenValues(points, "number_token_mse")

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        term = (log_probabilities(logits).exp() * self.tokens.offsets(targets)).sum(-1).square()
        return with_cross_entropy(
            logits, targets, padding_mask, metric_tokens, ce_weight=self.ce_weight, number_token=(self.weight, term)
        )
