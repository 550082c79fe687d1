"""Log density of a mixture of K bumps at fixed points, with its gradient written out.

``log p(x) = log sum_k h_k f(z_k)``, ``z_k = a_k (x - m_k)``, of a bump f, where m_k is a mean, a_k an inverse scale and
h_k = w_k a_k a height. With the shares ``r_k = h_k f(z_k) / p`` and the score ``s(z) = -d log f / dz`` of the bump:
``d log p / d log h_k = r_k``, ``d / d m_k = a_k r_k s(z_k)``, ``d / d a_k = -r_k s(z_k) (x - m_k)`` (the a_k of the
height apart).

On a CPU fresh memory costs more than what is computed in it. So of size K x V only the shares are kept, z is computed
anew, all is done in place, and large batches are cut into parts that the allocator and the cache can hold.

B batch, n positions, K components, V points.
"""

import math
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_PART = 2**18  # numbers of size B x n x K x V that are computed at a time on a CPU


class Bump(Protocol):
    """A symmetric density f(z), up to a constant."""

    @staticmethod
    def parts(z: Tensor, log2_height: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return e and q, both new tensors, of ``height f(z) = 2^e q``; None for q = 1.

        Powers of two, because on a CPU they take half the time of those of e, and a tenth where they are almost 0.
        """
        ...

    @staticmethod
    def score(z: Tensor) -> Tensor:
        """Return ``-d log f / dz``."""
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
        rows = _rows(log_height, points)
        parts = _split(rows, log_height / math.log(2), mean, inverse_scale)
        densities, shares, totals = zip(*(_mix(bump, points, period, *part) for part in parts), strict=True)
        ctx.bump, ctx.rows = bump, rows
        ctx.save_for_backward(mean, inverse_scale, points, period, *shares, *totals)
        return torch.cat(densities).mul_(math.log(2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        mean, inverse_scale, points, period, *kept = ctx.saved_tensors
        count = len(kept) // 2
        parts = zip(_split(ctx.rows, gradient, mean, inverse_scale), kept[:count], kept[count:], strict=True)
        found = [_gradients(ctx.bump, points, period, share, total, *part) for part, share, total in parts]
        return None, *(torch.cat(each) for each in zip(*found, strict=True)), None, None


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


def _rows(log_height: Tensor, points: Tensor) -> int:
    """Return how many rows of the batch are computed at a time."""
    if log_height.device.type != "cpu":
        return max(1, len(log_height))
    return max(1, _PART // (log_height.shape[1:].numel() * points.shape[-1]))


def _split(rows: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(x.split(rows) for x in tensors), strict=True)


def _standardize(mean: Tensor, inverse_scale: Tensor, points: Tensor, period: Tensor | None) -> Tensor:
    """Return z, (B, n, K, V)."""
    z = points[..., None, :] - mean[..., None]
    if period is not None:
        turns = (z / period[..., None]).round_()
        z.addcmul_(turns, period.where(period.isfinite(), 0.0)[..., None], value=-1)
    return z.mul_(inverse_scale[..., None])


def _mix(
    bump: type[Bump], points: Tensor, period: Tensor | None, log2_height: Tensor, mean: Tensor, inverse_scale: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the log to base 2 of the density, (B, n, V), the shares (B, n, K, V) and their total (B, n, 1, V)."""
    share, factor = bump.parts(_standardize(mean, inverse_scale, points, period), log2_height[..., None])
    largest = share.amax(dim=-2, keepdim=True)  # taken out, so that not all vanish
    share.sub_(largest).exp2_()
    if factor is not None:
        share *= factor
    total = share.sum(dim=-2, keepdim=True)
    return total.log2().add_(largest).squeeze(-2), share, total


def _gradients(
    bump: type[Bump],
    points: Tensor,
    period: Tensor | None,
    share: Tensor,
    total: Tensor,
    gradient: Tensor,
    mean: Tensor,
    inverse_scale: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return those by log height, mean and inverse scale, (B, n, K), given that by the log density, (B, n, V)."""
    z = _standardize(mean, inverse_scale, points, period)
    weighted = share * (gradient[..., None, :] / total)
    by_height = weighted.sum(-1)
    weighted *= bump.score(z)
    by_mean = weighted.sum(-1).mul_(inverse_scale)
    weighted *= z
    return by_height, by_mean, weighted.sum(-1).neg_().div_(inverse_scale)
