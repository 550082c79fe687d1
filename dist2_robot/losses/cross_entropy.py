"""Cross-entropy with a one-hot target: every wrong token is equally wrong."""

from torch import Tensor, nn

from dist2_robot.losses.output import LossOutput, mean_cross_entropy


class CrossEntropyLoss(nn.Module):
    """``L = -log p(x)``, averaged over positions."""

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        loss = mean_cross_entropy(logits, targets, padding_mask)
        return LossOutput(loss, {"cross_entropy": loss.detach()})
