"""The logistic distribution as a bump of a mixture."""

import torch
from torch import Tensor


class Logistic:
    """``f(z) = sech^2(z / 2) / 4 = exp(-|z|) sigmoid(|z|)^2``: tails fall off as exp(-|z|), so none is ever lost."""

    @staticmethod
    def parts(z: Tensor) -> tuple[Tensor, Tensor]:
        distance = z.abs()
        factor = torch.sigmoid(distance).square_()
        return distance.neg_(), factor

    @staticmethod
    def score(z: Tensor) -> Tensor:
        """Return ``tanh(z / 2)``, written with the sigmoid, which is several times faster on a CPU."""
        return torch.sigmoid(z).mul_(2).sub_(1)
