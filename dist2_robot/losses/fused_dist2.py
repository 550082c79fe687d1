"""Cross-entropy and divergence from distance targets in one pass. N positions, V tokens, R rows of targets.

Both need the log-sum-exp of the same logits, and with weights c and a of a position their gradient is
``(c + a) softmax(logits) - c onehot(x) - a p_d``. So softmax, both losses and the gradient are worked out a few
positions at a time, while these are in the cache, and the gradient is kept for the way back.
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
        cross_entropy, divergence, gradient = _in_parts(logits, tokens, rows, store, share, with_gradient)
        each = (1 - share) * cross_entropy + share * divergence
        loss = (total * each).masked_fill(total == 0, 0.0).sum() if isinstance(total, Tensor) else total * each.sum()
        ctx.store, ctx.total, ctx.share, ctx.gradient = store, total, share, gradient
        ctx.save_for_backward(logits, tokens, rows)
        ctx.mark_non_differentiable(cross_entropy, divergence)
        return loss, cross_entropy, divergence

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the kept gradient, weighted in place. It is worked out anew where it was handed out before."""
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:
            logits, tokens, rows = ctx.saved_tensors
            gradient = _in_parts(logits, tokens, rows, ctx.store, ctx.share, True)[2]
        assert gradient is not None
        weight = upstream * ctx.total
        gradient.mul_(weight[:, None] if weight.ndim else weight)
        return gradient, None, None, None, None, None, None


def _in_parts(
    logits: Tensor, tokens: Tensor, rows: Tensor, store: TargetStore, share: float | Tensor, with_gradient: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return each CE and each KL, (N,), and the gradient of ``(1 - share) CE + share KL``, (N, V)."""
    dtype, count = working_dtype(logits), len(logits)
    gradient = torch.empty_like(logits, memory_format=torch.contiguous_format) if with_gradient else None
    normaliser = torch.empty(count, dtype=dtype, device=logits.device)
    expected = torch.empty_like(normaliser)
    minus_rest = (torch.zeros_like(normaliser) + share - 1)[:, None]
    chunk = _CHUNK_CPU * torch.get_num_threads() if logits.device.type == "cpu" else _CHUNK_ELSEWHERE
    step = max(1, chunk // logits.shape[1])
    for start in range(0, count, step):
        here = slice(start, start + step)
        scores = logits[here].to(dtype)
        into = gradient[here] if gradient is not None and gradient.dtype == dtype else None
        probability = torch.softmax(scores, -1, out=into)
        # The largest probability is at least 1 / V, so its logarithm is exact.
        torch.sub(scores.amax(-1), probability.amax(-1).log_(), out=normaliser[here])
        target = store.rows(rows[here], dtype)
        expected[here] = target.expect(scores)
        if gradient is not None:
            target.subtract_from(probability, share[here, None] if isinstance(share, Tensor) else share)
            probability.scatter_add_(1, tokens[here, None], minus_rest[here])
            if into is None:
                gradient[here] = probability
    cross_entropy = normaliser - logits.gather(1, tokens[:, None]).squeeze(1)
    return cross_entropy, store.negative_entropy[rows] + normaliser - expected, gradient
