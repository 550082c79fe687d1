"""Log density of a mixture of K bumps at fixed points, with its gradient written out.

``log p(x) = log sum_k h_k f(z_k)``, ``z_k = a_k (x - m_k)``, of a bump f, where m_k is a mean, a_k an inverse scale and
h_k = w_k a_k a height. With the shares ``r_k = h_k f(z_k) / p`` and the score ``s(z) = -d log f / dz`` of the bump:
``d log p / d log h_k = r_k``, ``d / d m_k = a_k r_k s(z_k)``, ``d / d a_k = -r_k s(z_k) (x - m_k)`` (the a_k of the
height apart).

On a CPU fresh memory costs more than what is computed in it. So of size K x V only the shares are kept, z is computed
anew, and a large batch is worked through in parts that fit into the cache, all in the same few buffers.

B batch, n positions, K components, V points, b rows of the batch.
"""

import math
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_PART = 2**18  # numbers of size b x n x K x V that are computed at a time on a CPU


class Bump(Protocol):
    """A symmetric density f(z), up to a constant."""

    @staticmethod
    def weigh(z: Tensor, log2_height: Tensor, exponent: Tensor, buffer: Tensor) -> Tensor | None:
        """Write e into ``exponent`` and return q, in ``buffer``, of ``height f(z) = 2^e q``; None for q = 1.

        Powers of two, because on a CPU they take half the time of those of e, and a tenth where they are almost 0.
        """
        ...

    @staticmethod
    def score(z: Tensor, buffer: Tensor) -> Tensor:
        """Return ``-d log f / dz``, in ``buffer`` or z itself."""
        ...


class _MixtureDensity(torch.autograd.Function):
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
        share = mean.new_empty(*mean.shape, points.shape[-1])  # (B, n, K, V), r_k times the total
        total, largest = (mean.new_empty(*mean.shape[:2], 1, points.shape[-1]) for _ in range(2))
        log2_height = log_height / math.log(2)
        for part, z, buffer in _parts(share, buffers=2):
            _standardize(z, buffer, mean[part], inverse_scale[part], points, period)
            here = share[part]
            factor = bump.weigh(z, log2_height[part][..., None], here, buffer)
            torch.amax(here, dim=-2, keepdim=True, out=largest[part])  # taken out, so that not all vanish
            here.sub_(largest[part]).exp2_()
            if factor is not None:
                here *= factor
            torch.sum(here, dim=-2, keepdim=True, out=total[part])
        ctx.bump = bump
        ctx.save_for_backward(mean, inverse_scale, points, period, share, total)
        return largest.add_(total.log2()).mul_(math.log(2)).squeeze(-2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        mean, inverse_scale, points, period, share, total = ctx.saved_tensors
        by_height, by_mean, by_scale = (torch.empty_like(mean) for _ in range(3))
        relative = gradient[..., None, :] / total
        for part, z, weighted, buffer in _parts(share, buffers=3):
            _standardize(z, buffer, mean[part], inverse_scale[part], points, period)
            torch.mul(share[part], relative[part], out=weighted)
            torch.sum(weighted, dim=-1, out=by_height[part])
            weighted *= ctx.bump.score(z, buffer)
            torch.sum(weighted, dim=-1, out=by_mean[part])
            weighted *= z
            torch.sum(weighted, dim=-1, out=by_scale[part])
        return None, by_height, by_mean.mul_(inverse_scale), by_scale.neg_().div_(inverse_scale), None, None


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


def _parts(whole: Tensor, buffers: int) -> Iterator[tuple[Any, ...]]:
    """Yield slices of the batch of a tensor (B, ...), each with buffers (b, ...) that the next slice uses again."""
    batch, size = len(whole), whole.shape[1:].numel()
    rows = max(1, _PART // size) if whole.device.type == "cpu" else batch
    kept = [whole.new_empty(min(rows, batch), *whole.shape[1:]) for _ in range(buffers)]
    for first in range(0, batch, max(1, rows)):
        part = slice(first, min(first + rows, batch))
        yield part, *(buffer[: part.stop - first] for buffer in kept)


def _standardize(
    z: Tensor, buffer: Tensor, mean: Tensor, inverse_scale: Tensor, points: Tensor, period: Tensor | None
) -> None:
    """Write z (b, n, K, V)."""
    torch.sub(points[..., None, :], mean[..., None], out=z)
    if period is not None:
        turns = torch.div(z, period[..., None], out=buffer).round_()
        z.addcmul_(turns, period.where(period.isfinite(), 0.0)[..., None], value=-1)
    z *= inverse_scale[..., None]
