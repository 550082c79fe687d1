"""The same as `fused_dist2` for torch.compile, which brings its own fusion. N positions, V tokens.

Left to itself the compiler keeps the targets of all positions, (N, V), for the way back. Here the way back looks them
up anew, and each way becomes one pass over the logits.
"""

from typing import Any

import torch
from torch import Tensor

from dist2_robot.losses.output import working_dtype
from dist2_robot.losses.target_store import TargetStore


class CompiledDist2(torch.autograd.Function):
    """``sum over positions of c CE + a KL(p_d || p)``; arguments as of `fused_dist2`."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        tokens: Tensor,
        rows: Tensor,
        store: TargetStore,
        ce: float | Tensor,
        kl: float | Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        scores = logits.to(working_dtype(logits))
        normaliser = scores.logsumexp(-1)
        cross_entropy = normaliser - scores.gather(1, tokens[:, None]).squeeze(1)
        expected = store.rows(rows, scores.dtype).expect(scores)
        divergence = store.negative_entropy[rows] + normaliser - expected
        ctx.store, ctx.ce, ctx.kl = store, ce, kl
        ctx.save_for_backward(logits, tokens, rows, normaliser)
        ctx.mark_non_differentiable(cross_entropy, divergence)
        return (ce * cross_entropy + kl * divergence).sum(), cross_entropy, divergence

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return ``(c + a) softmax(logits) - c onehot(x) - a p_d``."""
        logits, tokens, rows, normaliser = ctx.saved_tensors
        ce, kl = (
            upstream * torch.as_tensor(weight, device=logits.device).reshape(-1, 1) for weight in (ctx.ce, ctx.kl)
        )
        probability = (logits.to(normaliser.dtype) - normaliser[:, None]).exp()
        is_truth = torch.arange(logits.shape[1], device=logits.device) == tokens[:, None]
        gradient = (ce + kl) * probability - torch.where(is_truth, ce, 0.0)
        gradient = ctx.store.rows(rows, gradient.dtype).taken_from(gradient, kl)
        return gradient.to(logits.dtype), None, None, None, None, None
