"""What every loss returns, and how it averages. L positions of a chunk."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dist2_robot.types import Prediction


@dataclass(frozen=True)
class LossOutput:
    """Attributes: loss: A scalar to minimise. parts: Named scalars it is made of, detached, for the log."""

    loss: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


class TokenLoss(Protocol):
    """The one signature of all losses over tokens."""

    def __call__(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        """Compare predictions with true tokens.

        Args:
            logits: (..., L, V), unnormalised.
            targets: (..., L), the true tokens.
            target_values: (..., L), the true values before they were cut into bins, for losses that use them.
            padding_mask: (..., L), true where a position counts for nothing.
            metric_tokens: (..., L), true where the token has a distance; elsewhere only cross-entropy counts, which
                for a loss that has no such term (a score of distances alone) is nothing.
        """
        ...


def judge(loss: nn.Module, prediction: Prediction, targets: Tensor, **given: Tensor | None) -> LossOutput:
    """Return the loss of a prediction: losses that judge modes get all of it, those over tokens its logits.

    Raises:
        ValueError: The loss judges modes, and the head has none.
    """
    if not getattr(loss, "judges_modes", False):
        return loss(prediction.logits, targets, **given)
    if prediction.modes is None:
        raise ValueError("this loss judges the modes of a chunk, and the head has none: use head=modes")
    return loss(prediction, targets, **given)


def masked_mean(values: Tensor, padding_mask: Tensor | None) -> Tensor:
    """Return the mean over the positions that are not padding; zero, with a gradient, where there is none."""
    if padding_mask is None:
        return values.mean()
    return values.masked_fill(padding_mask, 0.0).sum() / (~padding_mask).sum().clamp(min=1)


def mean_cross_entropy(logits: Tensor, targets: Tensor, padding_mask: Tensor | None, epsilon: float = 0.0) -> Tensor:
    """Return the mean of ``-log softmax(logits)[target]`` over the positions that are not padding.

    The target may be smoothed: ``(1 - epsilon) onehot + epsilon / V``.
    """
    flat_logits, flat_targets = logits.flatten(0, -2), targets.flatten()
    if padding_mask is None:  # torch's own mean, to the bit: it adds up in another order than `Tensor.mean`
        return F.cross_entropy(flat_logits, flat_targets, label_smoothing=epsilon)
    each = F.cross_entropy(flat_logits, flat_targets, reduction="none", label_smoothing=epsilon)
    return masked_mean(each.view(targets.shape), padding_mask)


def working_dtype(logits: Tensor) -> torch.dtype:
    """Return the precision that losses are worked out in: 32 bits at least, for sums over many tokens need them."""
    return torch.promote_types(logits.dtype, torch.float32)


def log_probabilities(logits: Tensor) -> Tensor:
    """Return the log softmax over tokens in the working precision."""
    return torch.log_softmax(logits, dim=-1, dtype=working_dtype(logits))


def each_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return ``-log softmax(logits)[target]`` of every position, (..., L)."""
    return -log_probabilities(logits).gather(-1, targets[..., None]).squeeze(-1)


def each_soft_cross_entropy(
    logits: Tensor, soft: Tensor, targets: Tensor, metric_tokens: Tensor | None = None
) -> Tensor:
    """Return the cross-entropy of every position with a target distribution, (..., L).

    Args:
        logits: (..., L, V).
        soft: (..., L, V), the target distributions.
        targets: (..., L), the true tokens, which count alone where there is no distance.
        metric_tokens: (..., L), true where there is one; None for everywhere.
    """
    log_p = log_probabilities(logits)
    each = -(soft * log_p).sum(-1)
    if metric_tokens is None:
        return each
    return torch.where(metric_tokens, each, -log_p.gather(-1, targets[..., None]).squeeze(-1))


def check_weights(**weights: float) -> None:
    """Raise ValueError unless all weights are finite and not negative, and one of them is not 0."""
    if not (all(0 <= weight < math.inf for weight in weights.values()) and any(weights.values())):
        named = ", ".join(f"{name}={weight}" for name, weight in weights.items())
        raise ValueError(f"weights must be finite, not negative, not all 0: {named}")


def with_cross_entropy(
    logits: Tensor,
    targets: Tensor,
    padding_mask: Tensor | None,
    metric_tokens: Tensor | None,
    *,
    ce_weight: float,
    **terms: tuple[float, Tensor],
) -> LossOutput:
    """Return ``ce_weight * CE + sum of weight * mean of term`` over the positions that are not padding.

    Args:
        logits: (..., L, V).
        targets: (..., L).
        padding_mask: (..., L), true where a position counts for nothing.
        metric_tokens: (..., L), true where the terms count; None for everywhere.
        ce_weight: Of cross-entropy, which counts everywhere.
        terms: Name -> its weight and its values (..., L).
    """
    total, parts = logits.new_zeros(()), {}
    if ce_weight:
        parts["cross_entropy"] = mean_cross_entropy(logits, targets, padding_mask)
        total = total + ce_weight * parts["cross_entropy"]
    for name, (weight, each) in terms.items():
        kept = each if metric_tokens is None else each.masked_fill(~metric_tokens, 0.0)
        parts[name] = masked_mean(kept, padding_mask)
        total = total + weight * parts[name]
    return LossOutput(total, {name: part.detach() for name, part in parts.items()})
