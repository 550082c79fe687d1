"""Distances to target distributions. G groups of positions, V tokens."""

import torch
from torch import Tensor

from dist2_robot.distances.table import DistanceTable
from dist2_robot.distances.temperature import FixedTemperature, Temperature


def soft_targets(distances: DistanceTable, tau: float | Temperature) -> Tensor:
    """Return ``p_d(v | x) = softmax_v(-d(v, x) / tau)`` of every true token x, (G, V, V), float64.

    Tokens that a group lacks get no mass.
    """
    temperature = tau if isinstance(tau, Temperature) else FixedTemperature(tau)
    score = -distances.distances.double() / temperature(distances).to(distances.distances.device)[:, None, None]
    if distances.valid is not None:
        score = score.masked_fill(~distances.valid[:, None, :], -torch.inf)
    return torch.softmax(score, dim=-1)
