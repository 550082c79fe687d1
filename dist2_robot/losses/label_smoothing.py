"""Cross-entropy with a target that gives every token a little: distances, but none that differ (Szegedy 2016, sec. 7).

The control of DIST2Loss, whose minimiser ``(onehot + alpha p_d) / (1 + alpha)`` is label smoothing shaped by distance.
"""

from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.output import LossOutput, log_probabilities, masked_mean, mean_cross_entropy


class LabelSmoothingLoss(nn.Module):
    """Cross-entropy with ``(1 - epsilon) onehot + epsilon / (number of tokens that there are)``.

    Two values match the published DIST2Loss (alpha 0.1, tau 1 squared bin): ``epsilon = 0.1 / 1.1 = 0.091`` gives the
    soft part the same weight, ``0.091 * (1 - 0.564) = 0.04`` moves the same mass off the true token.

    Args:
        points: Of which only the groups and the valid tokens matter here; None: every token is valid.
        epsilon: The mass that is spread evenly, the true token's share included.
    """

    valid: Tensor | None
    groups: Tensor | None

    def __init__(self, points: TokenPoints | None = None, epsilon: float = 0.091) -> None:
        super().__init__()
        if not 0.0 <= epsilon < 1.0:
            raise ValueError(f"label smoothing epsilon must lie in [0, 1), got {epsilon}")
        self.epsilon = epsilon
        valid = None if points is None or points.valid is None or points.valid.all() else points.valid
        self.register_buffer("valid", valid, persistent=False)  # (G, V)
        self.register_buffer("groups", None if valid is None or points is None else points.groups, persistent=False)

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        if metric_tokens is None and self.valid is None:
            loss = mean_cross_entropy(logits, targets, padding_mask, self.epsilon)
        else:
            loss = masked_mean(self._each(logits, targets, metric_tokens), padding_mask)
        return LossOutput(loss, {"cross_entropy": loss.detach()})

    def _each(self, logits: Tensor, targets: Tensor, metric_tokens: Tensor | None) -> Tensor:
        log_p = log_probabilities(logits)
        if self.valid is None or self.groups is None:
            spread = -log_p.mean(-1)
        else:
            valid = self.valid[self.groups.expand_as(targets)]  # (..., L, V)
            spread = -log_p.masked_fill(~valid, 0.0).sum(-1) / valid.sum(-1)
        epsilon = self.epsilon if metric_tokens is None else self.epsilon * metric_tokens.to(log_p.dtype)
        cross_entropy = -log_p.gather(-1, targets[..., None]).squeeze(-1)
        return (1 - epsilon) * cross_entropy + epsilon * spread
