"""Log density of a mixture of K bumps at fixed points, with its gradient written out.

``log p(x) = log sum_k h_k f(z_k)``, ``z_k = a_k (x - m_k)``, of a bump f, where m_k is a mean, a_k an inverse scale and
h_k = w_k a_k a height. With the shares ``r_k = h_k f(z_k) / p`` and the score ``s(z) = -d log f / dz`` of the bump:
``d log p / d log h_k = r_k``, ``d / d m_k = a_k r_k s(z_k)``, ``d / d a_k = -r_k s(z_k) (x - m_k)`` (the a_k of the
height apart). Two tensors of size K x V are kept, where automatic differentiation keeps seven.

B batch, n positions, K components, V points.
"""

import math
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_LOG2_E = 1 / math.log(2)


class Bump(Protocol):
    """A symmetric density f(z), up to a constant, written as ``exp(e(z)) * p(z)``."""

    @staticmethod
    def parts(z: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return e <= 0 and p > 0, both new tensors; None for p = 1."""
        ...

    @staticmethod
    def score(z: Tensor) -> Tensor:
        """Return ``-d log f / dz``."""
        ...


class _MixtureDensity(torch.autograd.Function):
    # In place wherever it can be: on a CPU fresh memory costs more than what is computed in it.
    @staticmethod
    def forward(
        ctx: Any,
        bump: type[Bump],
        log_height: Tensor,
        mean: Tensor,
        inverse_scale: Tensor,
        points: Tensor,
        period: Tensor | None,
    ) -> Tensor:
        z = points[..., None, :] - mean[..., None]  # (B, n, K, V)
        if period is not None:
            turns = (z / period[..., None]).round_()
            z.addcmul_(turns, period.where(period.isfinite(), 0.0)[..., None], value=-1)
        z *= inverse_scale[..., None]
        share, factor = bump.parts(z)
        share += log_height[..., None]
        largest = share.amax(dim=-2, keepdim=True)  # taken out, so that none overflows
        # exp2, not exp: twice as fast on a CPU, and ten times where the result is too small for a normal number.
        share.sub_(largest).mul_(_LOG2_E).exp2_()
        if factor is not None:
            share *= factor
        total = share.sum(dim=-2, keepdim=True)
        share /= total
        ctx.bump = bump
        ctx.save_for_backward(share, z, inverse_scale)
        return (largest + total.log_()).squeeze(-2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        share, z, inverse_scale = ctx.saved_tensors
        weighted = share * gradient[..., None, :]  # (B, n, K, V)
        by_height = weighted.sum(-1)
        weighted *= ctx.bump.score(z)
        by_mean = inverse_scale * weighted.sum(-1)
        weighted *= z
        by_scale = weighted.sum(-1).neg_().div_(inverse_scale)
        return None, by_height, by_mean, by_scale, None, None


def mixture_density(
    bump: type[Bump],
    log_height: Tensor,
    mean: Tensor,
    inverse_scale: Tensor,
    points: Tensor,
    period: Tensor | None = None,
) -> Tensor:
    """Return the log density (B, n, V), up to the constant that f is written without.

    Args:
        bump: f.
        log_height: (B, n, K), log of weight times inverse scale.
        mean: (B, n, K).
        inverse_scale: (B, n, K), positive.
        points: (n, V) or (1, V), without gradient.
        period: (n, 1) or (1, 1): points are as far from means as the short way round a circle of this length, where it
            is finite. None where it is finite nowhere.
    """
    return _MixtureDensity.apply(bump, log_height, mean, inverse_scale, points, period)  # type: ignore[return-value]
