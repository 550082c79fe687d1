"""Cross-entropy and divergence from distance targets in one pass. N positions, V tokens, R rows of targets.

Both need the log-sum-exp of the same logits, and with weights c and a of a position their gradient is
``(c + a) softmax(logits) - c onehot(x) - a p_d``. So softmax, both losses and the gradient are worked out a few
positions at a time, while these are in the cache, and only the gradient is kept for the way back.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dist2_robot.losses.output import working_dtype
from dist2_robot.losses.target_store import TargetStore

# Logits that are worked on at a time: on a CPU what its cache holds, elsewhere what memory can spare.
_CHUNK_CPU, _CHUNK_ELSEWHERE = 2**19, 2**26


def fused_dist2(
    logits: Tensor, tokens: Tensor, rows: Tensor, store: TargetStore, ce: float | Tensor, kl: float | Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``sum over positions of c CE + a KL(p_d || p)``, and each CE and each KL, (N,), without gradients.

    Args:
        logits: (N, V).
        tokens: (N,), the true tokens.
        rows: (N,), the numbers of their targets in the store.
        store: The targets.
        ce: c, the weight of the cross-entropy of every position or of each, (N,). Where both weights are 0 a position
            counts for nothing, whatever its (finite) logits.
        kl: a, likewise.
    """
    total = ce + kl
    share = kl / (total.clamp(min=torch.finfo(total.dtype).tiny) if isinstance(total, Tensor) else total)
    with_gradient = torch.is_grad_enabled() and logits.requires_grad
    return _FusedDist2.apply(logits, tokens, rows, store, total, share, with_gradient)  # type: ignore[return-value]


class _FusedDist2(torch.autograd.Function):
    """``sum over positions of total * ((1 - share) CE + share KL)``; the arguments are those of `fused_dist2`."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        tokens: Tensor,
        rows: Tensor,
        store: TargetStore,
        total: float | Tensor,
        share: float | Tensor,
        with_gradient: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        dtype = working_dtype(logits)
        gradient = torch.empty_like(logits, memory_format=torch.contiguous_format) if with_gradient else None
        cross_entropy = torch.empty_like(tokens, dtype=dtype)
        divergence = torch.empty_like(cross_entropy)
        step = max(1, (_CHUNK_CPU if logits.device.type == "cpu" else _CHUNK_ELSEWHERE) // logits.shape[1])
        for start in range(0, len(logits), step):
            here = slice(start, start + step)
            scores, token, row = logits[here].to(dtype), tokens[here, None], rows[here]
            reuse = gradient is not None and gradient.dtype == dtype
            probability = torch.softmax(scores, -1, out=gradient[here] if reuse and gradient is not None else None)
            # The largest probability is at least 1 / V, so its logarithm is exact.
            normaliser = scores.amax(-1) - probability.amax(-1).log()
            cross_entropy[here] = normaliser - scores.gather(1, token).squeeze(1)
            target = store.rows(row, dtype)
            divergence[here] = store.negative_entropy[row] + normaliser - target.expect(scores)
            if gradient is not None:
                part = share[here, None] if isinstance(share, Tensor) else share
                target.subtract_from(probability, part)
                probability.scatter_add_(1, token, (torch.zeros_like(token, dtype=dtype) + part) - 1)
                if not reuse:
                    gradient[here] = probability
        each = (1 - share) * cross_entropy + share * divergence
        loss = (total * each).masked_fill(total == 0, 0.0).sum() if isinstance(total, Tensor) else total * each.sum()
        ctx.total = total
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(cross_entropy, divergence)
        return loss, cross_entropy, divergence

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the kept gradient, weighted."""
        (gradient,) = ctx.saved_tensors
        weight = upstream * ctx.total
        weighted = gradient * (weight[:, None] if weight.ndim else weight).to(gradient.dtype)
        return weighted, None, None, None, None, None, None
