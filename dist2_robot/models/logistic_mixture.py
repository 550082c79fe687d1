"""The logistic distribution as a bump of a mixture."""

import math

import torch
from torch import Tensor


class Logistic:
    """``f(z) = sech^2(z / 2) / 4 = exp(-|z|) sigmoid(|z|)^2``: tails fall off as exp(-|z|), so none is ever lost."""

    @staticmethod
    def weigh(z: Tensor, log2_height: Tensor, exponent: Tensor, buffer: Tensor) -> Tensor:
        torch.abs(z, out=exponent)
        factor = torch.sigmoid(exponent, out=buffer).square_()
        torch.add(log2_height, exponent, alpha=-1 / math.log(2), out=exponent)
        return factor

    @staticmethod
    def score(z: Tensor, buffer: Tensor) -> Tensor:
        """Return ``tanh(z / 2)``, written with the sigmoid, which is several times faster on a CPU."""
        return torch.sigmoid(z, out=buffer).mul_(2).sub_(1)
