"""Log density of a mixture of logistics at fixed points, with its gradient written out.

``f(x) = log sum_k w_k a_k / 4 sech^2(z_k / 2)``, ``z_k = a_k (x - m_k)``, where a_k is an inverse scale.
With responsibilities ``r_k = softmax_k(log w_k a_k + log sech^2(z_k / 2))`` and ``t_k = tanh(z_k / 2)``:
``df / d log(w_k a_k) = r_k``, ``df / d m_k = a_k r_k t_k``, ``df / d a_k = -r_k t_k (x - m_k)`` (the a_k of the height
apart). So the gradients are products of small matrices, and nothing of size K x V is computed in the backward pass.

N positions, K components, V points.
"""

from typing import Any

import torch
from torch import Tensor


class _LogisticMixture(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, log_height: Tensor, mean: Tensor, inverse_scale: Tensor, points: Tensor) -> Tensor:
        z = (points[:, None, :] - mean[..., None]) * inverse_scale[..., None]  # (N, K, V)
        exponent = z.abs().neg_()
        e = exponent.exp()
        u = (e + 1).reciprocal_()
        exponent += log_height[..., None]
        largest = exponent.amax(dim=1, keepdim=True)
        # sech^2(z / 2) / 4 = e / (1 + e)^2 with e = exp(-|z|); the largest exponent is taken out, so none overflows.
        share = exponent.sub_(largest).exp_().mul_(u).mul_(u)
        total = share.sum(dim=1, keepdim=True)
        share /= total
        slope = torch.copysign(e.neg_().add_(1).mul_(u), z).mul_(share)  # r_k tanh(z_k / 2)
        ctx.save_for_backward(share, slope, mean, inverse_scale, points)
        return (largest + total.log()).squeeze(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # type: ignore[override]
        share, slope, mean, inverse_scale, points = ctx.saved_tensors
        by_height = (share @ gradient[..., None]).squeeze(-1)  # (N, K)
        moments = slope @ torch.stack([gradient, gradient * points], dim=-1)  # (N, K, 2)
        by_slope, by_slope_and_point = moments.unbind(-1)
        return by_height, inverse_scale * by_slope, mean * by_slope - by_slope_and_point, None


def logistic_mixture(log_height: Tensor, mean: Tensor, inverse_scale: Tensor, points: Tensor) -> Tensor:
    """Return the log density (N, V), less the constant log 4 that normalising over points takes out anyway.

    Args:
        log_height: (N, K), log of weight times inverse scale.
        mean: (N, K).
        inverse_scale: (N, K), positive.
        points: (N, V), without gradient.
    """
    return _LogisticMixture.apply(log_height, mean, inverse_scale, points)  # type: ignore[return-value]
