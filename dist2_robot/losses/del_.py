"""Digit Entropy Loss: a binary cross-entropy of every digit, weighted by its prediction (arXiv 2605.20369).

As we understand it: an entropy ``sum_v p(v) * ...`` whose second factor says which digit is right. It knows no
distances. Formula and constants are those that the authors train with, for whole numbers: decimal points are left out.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.output import LossOutput, check_weights, log_probabilities, with_cross_entropy
from dist2_robot.losses.places import places


class DigitEntropyLoss(nn.Module):
    """``CE + weight * 2 (place + 1) * mean over v of p(v) b(v)``.

    ``b(x) = -log s(logit_x)`` for the true token, ``b(v) = -log(1 - s(logit_v))`` for each other, with s the sigmoid of
    the logit itself: unlike all other losses this one changes when a constant is added to the logits. place is 0 for
    the last digit of a number.

    Args:
        points: Of which only ``digits`` matters; None: every token is a number.
        weight: Of the term; 0.01 as published.
    """

    def __init__(self, points: TokenPoints | None = None, weight: float = 0.01) -> None:
        super().__init__()
        check_weights(ce_weight=1.0, weight=weight)
        self.digits = 1 if points is None else points.digits
        self.weight = weight

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        p = log_probabilities(logits).exp()
        one_hot = F.one_hot(targets, logits.shape[-1]).to(p.dtype)
        binary = F.binary_cross_entropy_with_logits(logits.to(p.dtype), one_hot, reduction="none")
        place = places(targets.shape[-1], self.digits, logits.device)  # (L,)
        term = 2 * (place + 1) * (p * binary).mean(-1)
        return with_cross_entropy(
            logits, targets, padding_mask, metric_tokens, ce_weight=1.0, digit_entropy=(self.weight, term)
        )
