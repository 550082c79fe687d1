"""Log density of a mixture of K bumps at fixed points, with its gradient written out.

``log p(x) = log sum_k h_k f(z_k)``, ``z_k = a_k (x - m_k)``, of a bump f, where m_k is a mean, a_k an inverse scale and
h_k = w_k a_k a height. With the shares ``r_k = h_k f(z_k) / p`` and the score ``s(z) = -d log f / dz`` of the bump:
``d log p / d log h_k = r_k``, ``d / d m_k = a_k r_k s(z_k)``, ``d / d a_k = -r_k s(z_k) (x - m_k)`` (the a_k of the
height apart).

On a CPU fresh memory costs more than what is computed in it. So only z and the shares, of size K x V, are kept, all
else is done in place, and large batches are cut into parts that the allocator and the cache can hold.

B batch, n positions, K components, V points.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

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


class _Mixed(NamedTuple):
    """Attributes: z: (B, n, K, V). share: (B, n, K, V), r_k times the total. total: (B, n, 1, V)."""

    z: Tensor
    share: Tensor
    total: Tensor


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
        densities, kept = [], []
        for height, *shape in _split(rows, log_height / math.log(2), mean, inverse_scale):
            log2_density, mixed = _mix(bump, height, *shape, points, period)
            densities.append(log2_density)
            kept.extend(mixed)
        ctx.bump, ctx.rows = bump, rows
        ctx.save_for_backward(inverse_scale, *kept)
        return torch.cat(densities).mul_(math.log(2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        inverse_scale, *kept = ctx.saved_tensors
        parts = zip(_split(ctx.rows, gradient, inverse_scale), zip(*[iter(kept)] * 3, strict=True), strict=True)
        found = [_gradients(ctx.bump, *part, _Mixed(*mixed)) for part, mixed in parts]
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


def _mix(
    bump: type[Bump], log2_height: Tensor, mean: Tensor, inverse_scale: Tensor, points: Tensor, period: Tensor | None
) -> tuple[Tensor, _Mixed]:
    """Return the logarithm to base 2 of the density, (B, n, V), and what its gradient needs."""
    z = points[..., None, :] - mean[..., None]  # (B, n, K, V)
    if period is not None:
        turns = (z / period[..., None]).round_()
        z.addcmul_(turns, period.where(period.isfinite(), 0.0)[..., None], value=-1)
    z *= inverse_scale[..., None]
    share, factor = bump.parts(z, log2_height[..., None])
    largest = share.amax(dim=-2, keepdim=True)  # taken out, so that not all vanish
    share.sub_(largest).exp2_()
    if factor is not None:
        share *= factor
    total = share.sum(dim=-2, keepdim=True)
    return total.log2().add_(largest).squeeze(-2), _Mixed(z, share, total)


def _gradients(bump: type[Bump], gradient: Tensor, inverse_scale: Tensor, mixed: _Mixed) -> tuple[Tensor, ...]:
    """Return those by log height, mean and inverse scale, (B, n, K), given that by the log density, (B, n, V)."""
    weighted = mixed.share * (gradient[..., None, :] / mixed.total)
    by_height = weighted.sum(-1)
    weighted *= bump.score(mixed.z)
    by_mean = weighted.sum(-1).mul_(inverse_scale)
    weighted *= mixed.z
    return by_height, by_mean, weighted.sum(-1).neg_().div_(inverse_scale)
