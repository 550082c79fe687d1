"""Cross-entropy within the metric tokens only: what restricting the vocabulary does, without distances.

The "vocab" baseline of the DIST2Loss paper (arXiv 2503.02379). For a robot policy all tokens are metric tokens, and
then it *is* cross-entropy; it differs for language models, whose other tokens it leaves alone.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dist2_robot.losses.metric_vocabulary import MetricVocabulary
from dist2_robot.losses.output import LossOutput, each_cross_entropy, masked_mean, mean_cross_entropy


class VocabLoss(nn.Module):
    """``-log p(x) / sum over metric tokens of p``; ``-log p(x)`` where the true token is no metric token.

    Args:
        token_ids: (V_d,), the vocabulary ids of the metric tokens; None: all tokens are.
    """

    def __init__(self, token_ids: Sequence[int] | Tensor | None = None) -> None:
        super().__init__()
        self.metric = None if token_ids is None else MetricVocabulary(token_ids)

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        if self.metric is None:
            loss = mean_cross_entropy(logits, targets, padding_mask)
            return LossOutput(loss, {"cross_entropy": loss.detach()})
        index, is_metric = self.metric.find(targets)
        if metric_tokens is not None:
            is_metric = is_metric & metric_tokens
        within = each_cross_entropy(logits[..., self.metric.token_ids], index)
        each = torch.where(is_metric, within, each_cross_entropy(logits, targets))
        loss = masked_mean(each, padding_mask)
        return LossOutput(loss, {"cross_entropy": loss.detach()})
