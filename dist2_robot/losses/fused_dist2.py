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

# Logits that are worked on at a time: on a CPU what the cache of a core holds, elsewhere what memory can spare.
_CHUNK_CPU, _CHUNK_ELSEWHERE = 2**19, 2**26
_TINY = 1e-30  # probabilities above it have an exact logarithm in 32 bits


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
    with_gradient = torch.is_grad_enabled() and logits.requires_grad
    return _FusedDist2.apply(logits, tokens, rows, store, ce, kl, with_gradient)  # type: ignore[return-value]


class _FusedDist2(torch.autograd.Function):
    """The arguments are those of `fused_dist2`."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        tokens: Tensor,
        rows: Tensor,
        store: TargetStore,
        ce: float | Tensor,
        kl: float | Tensor,
        with_gradient: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        cross_entropy, divergence, gradient = _in_chunks(logits, tokens, rows, store, ce, kl, with_gradient)
        ctx.store, ctx.weights, ctx.gradient = store, (ce, kl), gradient
        ctx.save_for_backward(logits, tokens, rows)
        ctx.mark_non_differentiable(cross_entropy, divergence)
        return (ce * cross_entropy + kl * divergence).sum(), cross_entropy, divergence

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the kept gradient, which the receiver may change; it is worked out anew if it is asked for again."""
        gradient, ctx.gradient = ctx.gradient, None
        logits, tokens, rows = ctx.saved_tensors
        if gradient is None:
            gradient = _in_chunks(logits, tokens, rows, ctx.store, *ctx.weights, with_gradient=True)[2]
        assert gradient is not None
        if upstream.device.type != "cpu" or float(upstream) != 1.0:  # to look at it, a GPU would have to wait
            gradient.mul_(upstream)
        return gradient.to(logits.dtype), None, None, None, None, None, None


def _in_chunks(
    logits: Tensor,
    tokens: Tensor,
    rows: Tensor,
    store: TargetStore,
    ce: float | Tensor,
    kl: float | Tensor,
    with_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return each CE and each KL, (N,), and the gradient of ``c CE + a KL``, (N, V), in the working precision.

    The gradient of 16-bit logits is kept in 32 bits: before a gradient scaler had its say it is too small for 16.
    """
    dtype, (count, vocab_size) = working_dtype(logits), logits.shape
    gradient = torch.empty(count, vocab_size, dtype=dtype, device=logits.device) if with_gradient else None
    truth, true_score = torch.empty(2, count, 1, dtype=dtype, device=logits.device)  # probability and logit of x
    expected = torch.empty(count, dtype=dtype, device=logits.device)
    chunk = _CHUNK_CPU * torch.get_num_threads() if logits.device.type == "cpu" else _CHUNK_ELSEWHERE
    step = min(count, max(1, chunk // vocab_size))
    scratch = store.scratch(step, dtype)
    minus_ce = -(torch.zeros_like(truth) + _column(ce))
    for start in range(0, count, max(1, step)):
        here = slice(start, start + step)
        scores = logits[here].to(dtype)
        probability = torch.softmax(scores, -1, out=None if gradient is None else gradient[here])
        torch.gather(probability, 1, tokens[here, None], out=truth[here])
        torch.gather(scores, 1, tokens[here, None], out=true_score[here])
        target = store.rows(rows[here], dtype, scratch)
        if gradient is not None:
            probability.mul_(_column(ce + kl, here))
            target.subtract_from(probability, _column(kl, here))
            probability.scatter_add_(1, tokens[here, None], minus_ce[here])
        expected[here] = target.expect_(scores)
    cross_entropy = -truth.squeeze(1).log()
    unlikely = (truth.squeeze(1) < _TINY).nonzero().squeeze(1)
    if len(unlikely):
        cross_entropy[unlikely] = logits[unlikely].to(dtype).logsumexp(-1) - true_score[unlikely, 0]
    normaliser = cross_entropy + true_score.squeeze(1)
    return cross_entropy, store.negative_entropy.index_select(0, rows) + normaliser - expected, gradient


def _column(weight: float | Tensor, here: slice = slice(None)) -> float | Tensor:
    """Return the weights of some positions as a column, (n, 1), or the one of all."""
    return weight[here, None] if isinstance(weight, Tensor) else weight
