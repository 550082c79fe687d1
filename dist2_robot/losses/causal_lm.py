"""Any of our losses for a causal language model, as Hugging Face wants it. B batch, S tokens, W vocabulary."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dist2_robot.losses.metric_vocabulary import MetricVocabulary


class CausalLMLoss(nn.Module):
    """A ``compute_loss_func``: ``Trainer(..., compute_loss_func=CausalLMLoss(loss, token_ids))``.

    The logits of a position are compared with the label of the next. Where that is no metric token only the
    cross-entropy of the loss counts.

    Args:
        loss: A loss over tokens, built with the same ``token_ids``.
        token_ids: Vocabulary ids of the metric tokens.
        ignore_index: The label of positions that count for nothing.
    """

    def __init__(self, loss: nn.Module, token_ids: Sequence[int] | Tensor, ignore_index: int = -100) -> None:
        super().__init__()
        self.loss = loss
        self.metric = MetricVocabulary(token_ids)
        self.ignore_index = ignore_index

    def forward(self, outputs: Any, labels: Tensor, num_items_in_batch: int | Tensor | None = None) -> Tensor:
        """Return the loss of a batch.

        Args:
            outputs: What the model returned: something with ``logits`` (B, S, W), a mapping, or a tuple that starts
                with them.
            labels: (B, S), the tokens that were given to the model, or ignore_index.
            num_items_in_batch: How many labels count in *all* batches whose gradients are added up before a step of the
                optimiser; the loss then is a sum over them, so that batches weigh by their length. None: those of this
                batch.
        """
        logits = _logits(outputs)
        self.to(logits.device)  # the Trainer does not know that there is something to move
        # Labels are moved, not logits: all but the last of those would be a copy.
        following = F.pad(labels.to(logits.device), (0, 1), value=self.ignore_index)[:, 1:]
        padding = following == self.ignore_index
        targets = following.masked_fill(padding, 0)
        is_metric = self.metric.find(targets)[1] & ~padding
        loss = self.loss(logits, targets, padding_mask=padding, metric_tokens=is_metric).loss
        if num_items_in_batch is None:
            return loss
        return loss * (~padding).sum() / torch.as_tensor(num_items_in_batch, device=logits.device)


def _logits(outputs: Any) -> Tensor:
    if isinstance(outputs, Mapping):
        return outputs["logits"]
    return outputs.logits if hasattr(outputs, "logits") else outputs[0]
