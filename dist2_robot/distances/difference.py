"""The difference of two values, the short way round where the dimension wraps."""

import torch
from torch import Tensor


def difference(a: Tensor, b: Tensor, period: float | Tensor | None) -> Tensor:
    """Return ``a - b``, where values repeat brought into [-period/2, period/2): -pi and pi are neighbours."""
    delta = a - b
    if period is None:
        return delta
    return torch.remainder(delta + period / 2, period) - period / 2
