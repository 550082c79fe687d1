"""SORD: cross-entropy with soft ordinal labels (Diaz and Marathe 2019, "Soft Labels for Ordinal Regression")."""

from torch import Tensor, nn

from dist2_robot.distances.table import DistanceTable
from dist2_robot.distances.target import soft_targets
from dist2_robot.distances.temperature import Temperature
from dist2_robot.losses.output import LossOutput, each_soft_cross_entropy, masked_mean


class SordLoss(nn.Module):
    """Cross-entropy with ``softmax_v(-d(v, x) / tau)`` and no one-hot term.

    It differs from `Dist2Loss` with ``ce_weight=0`` by the entropy of the target only, which has no gradient.

    Args:
        distances: How far apart tokens are; the paper's phi.
        tau: Temperature, in the unit of the distances; the paper has 1.
    """

    target_table: Tensor
    groups: Tensor

    def __init__(self, distances: DistanceTable, tau: float | Temperature = 2.0) -> None:
        super().__init__()
        self.register_buffer("target_table", soft_targets(distances, tau).float(), persistent=False)  # (G, V, V)
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
        soft = self.target_table[self.groups.expand_as(targets), targets]  # (..., L, V)
        loss = masked_mean(each_soft_cross_entropy(logits, soft, targets, metric_tokens), padding_mask)
        return LossOutput(loss, {"cross_entropy": loss.detach()})
