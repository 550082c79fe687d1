"""DIST2Loss that knows where in its bin the true value is.

``KL(softmax(-d(v, y) / tau) || p)`` with y the action before it was cut into bins. Between two tokens d is interpolated,
which for squared distances gives the target of y to the bit of rounding: the softmax of a straight line between
``(v - x)^2`` and ``(v - x')^2`` is that of ``(v - y)^2``. L positions, V tokens.
"""

import torch
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.table import DistanceTable
from dist2_robot.distances.target import temperatures
from dist2_robot.distances.temperature import Temperature
from dist2_robot.losses.output import LossOutput, log_probabilities, masked_mean
from dist2_robot.losses.token_values import TokenValues


class Dist2ValueLoss(nn.Module):
    """The mean divergence of the prediction from the target distribution of each true value.

    Args:
        distances: How far apart tokens are.
        points: Of ordered tokens.
        tau: Temperature, in the unit of the distances.
    """

    distance_table: Tensor
    groups: Tensor

    def __init__(self, distances: DistanceTable, points: TokenPoints, tau: float | Temperature = 2.0) -> None:
        super().__init__()
        self.tokens = TokenValues(points, "dist2_value")
        scaled = distances.distances / temperatures(distances, tau)[:, None, None]
        self.register_buffer("distance_table", scaled.float(), persistent=False)  # (G, V, V), of tau
        self.register_buffer("groups", distances.groups, persistent=False)

    def target(self, targets: Tensor, target_values: Tensor | None = None) -> Tensor:
        """Return the log of the target distributions (..., L, V)."""
        lower, upper, share = self.tokens.between(targets, target_values)
        groups = self.groups.expand_as(targets)
        near, far = self.distance_table[groups, lower], self.distance_table[groups, upper]
        logits = -torch.lerp(near, far, share[..., None])
        if self.tokens.valid is not None:
            logits = logits.masked_fill(~self.tokens.valid[groups], -torch.inf)
        return torch.log_softmax(logits, dim=-1)

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        log_p = log_probabilities(logits)
        log_target = self.target(targets, target_values).to(log_p.dtype)
        each = torch.special.xlogy(log_target.exp(), log_target.exp()).sum(-1) - (log_target.exp() * log_p).sum(-1)
        each = each if metric_tokens is None else each.masked_fill(~metric_tokens, 0.0)
        loss = masked_mean(each, padding_mask)
        return LossOutput(loss, {"divergence": loss.detach()})
