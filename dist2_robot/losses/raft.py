"""Regression-aware fine-tuning: the squared error of the expected value (Lukasik et al., ICLR 2025).

L positions of a chunk, V tokens.
"""

from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.output import LossOutput, check_weights, log_probabilities, with_cross_entropy
from dist2_robot.losses.token_values import TokenValues


class RaftLoss(nn.Module):
    """``(E[value] - y)^2 + ce_weight * CE``, in squared tolerances; y is the value before it was cut.

    It trains what decoding the mean reads out, and leaves the spread free. Without ``target_values`` y is the value of
    the true token. Where values wrap, each token counts by its difference from y the short way round: near y that is
    the plain mean, and a distribution that is even on both sides of y has no error.

    Args:
        points: Of tokens with one coordinate; where several digits write a number, their values add up to it.
        ce_weight: Of cross-entropy.
    """

    def __init__(self, points: TokenPoints, ce_weight: float = 0.0) -> None:
        super().__init__()
        check_weights(raft=1.0, ce_weight=ce_weight)
        self.ce_weight = ce_weight
        self.digits = points.digits
        self.tokens = TokenValues(points, "raft")

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        error = (log_probabilities(logits).exp() * self.tokens.offsets(targets, target_values)).sum(-1)  # (..., L)
        if self.digits > 1:  # every digit answers for the whole number
            numbers = error.unflatten(-1, (-1, self.digits)).sum(-1)
            error = numbers.repeat_interleave(self.digits, dim=-1)
        return with_cross_entropy(
            logits, targets, padding_mask, metric_tokens, ce_weight=self.ce_weight, squared_error=(1.0, error.square())
        )
