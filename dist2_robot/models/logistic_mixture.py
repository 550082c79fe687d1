"""The logistic distribution as a bump of a mixture."""

import math

import torch
from torch import Tensor


class Logistic:
    """``f(z) = sech^2(z / 2) / 4 = exp(-|z|) sigmoid(|z|)^2``: tails fall off as exp(-|z|), so none is ever lost."""

    @staticmethod
    def parts(z: Tensor, log2_height: Tensor) -> tuple[Tensor, Tensor]:
        exponent = z.abs()
        factor = torch.sigmoid(exponent).square_()
        return torch.add(log2_height, exponent, alpha=-1 / math.log(2), out=exponent), factor

    @staticmethod
    def score(z: Tensor) -> Tensor:
        """Return ``tanh(z / 2)``, written with the sigmoid, which is several times faster on a CPU."""
        return torch.sigmoid(z).mul_(2).sub_(1)
