"""Cross-entropy with a one-hot target: every wrong token is equally wrong."""

from torch import Tensor, nn

from dist2_robot.losses.output import LossOutput, mean_cross_entropy


class CrossEntropyLoss(nn.Module):
    """``L = -log p(x)``; with ``label_smoothing`` epsilon the target is ``(1 - eps) onehot + eps / V``."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label smoothing must lie in [0, 1), got {label_smoothing}")
        self.label_smoothing = label_smoothing

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        loss = mean_cross_entropy(logits, targets, padding_mask, self.label_smoothing)
        return LossOutput(loss, {"cross_entropy": loss.detach()})
