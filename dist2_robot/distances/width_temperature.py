"""A temperature that makes targets as wide as wanted. G groups of positions, V tokens."""

import math
from typing import Any

import torch
from torch import Tensor

from dist2_robot.distances.matched_temperature import MatchedTemperature, Moments


class WidthTemperature(MatchedTemperature):
    """tau of each group so that ``(mean over x of E_{v ~ p_d(. | x)} d(v, x))^(1 / power)`` is a wanted width.

    The width is how far a token drawn from the target is from the truth, in the unit of a length whatever the distance:
    for distances that are squares of lengths (power 2: squared, huber, circular, mean squared error) the root mean
    square, for all others (power 1) the mean. With squared tolerances and many fine bins on a line, width w is
    ``tau = 2 w^2``, a Gaussian of standard deviation w; with absolute ones it is ``tau = w``, a Laplace distribution.
    Unlike a fixed tau it also holds where bins are coarse, uneven or points of several coordinates.

    The mean is over the *inner* tokens of a group, the half whose mean distance to the others is smallest: targets of
    tokens at the edge have tokens on one side only. As ``dE d / d log tau = Var d / tau >= 0`` there is one tau at
    most; it is found to 1e-8 of the expected distance.

    Reachable is what lies between 0 and the width of uniform targets; anything else raises ValueError.
    """

    def __init__(self, width: float = 1.0) -> None:
        """Args: width: The width wanted, in the unit of the distance (of its root, for squares)."""
        if not 0 < width < math.inf:
            raise ValueError(f"the width of a target must be positive and finite, got {width}")
        self.width = width

    def wanted(self, power: float) -> float:
        return self.width**power

    def statistic(self, moments: Moments) -> tuple[Tensor, Tensor]:
        return moments.mean, moments.variance / moments.tau

    def rows(self, distances: Tensor, valid: Tensor) -> Tensor:
        remoteness = _mean_to_others(distances, valid).masked_fill(~valid, math.inf)
        rank = remoteness.argsort(dim=1).argsort(dim=1)
        return rank < (valid.sum(1, keepdim=True) + 1) // 2

    def limits(self, distances: Tensor, valid: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        uniform = _mean_to_others(distances, valid).masked_fill(~rows, 0.0).sum(1) / rows.sum(1)
        return torch.zeros_like(uniform), uniform

    def explain(self, group: int, tokens: int, low: float, high: float, power: float) -> str:
        return (
            f"no temperature makes targets {self.width} wide: with the {tokens} tokens of group {group} they are less "
            f"than {high ** (1 / power):.4g} wide"
        )

    def config(self) -> dict[str, Any]:
        return {"name": "width", "width": self.width}


def _mean_to_others(distances: Tensor, valid: Tensor) -> Tensor:
    """Return the mean distance (G, V) of each token to those there are (G, V), itself among them."""
    weights = valid.double()[:, :, None]  # (G, V, 1)
    return (distances @ weights)[..., 0] / valid.sum(1, keepdim=True)
