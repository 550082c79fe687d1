"""Distances to target distributions. G groups of positions, V tokens, k nearest of them."""

import math

import torch
from torch import Tensor

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.protocol import Distance
from dist2_robot.distances.table import DistanceTable
from dist2_robot.distances.temperature import FixedTemperature, Temperature

_CHUNK = 2**24  # entries that are worked on at a time, so that large codebooks fit into memory


def temperatures(distances: DistanceTable, tau: float | Temperature) -> Tensor:
    """Return one temperature a group, (G,), float64, on the device of the distances."""
    temperature = tau if isinstance(tau, Temperature) else FixedTemperature(tau)
    return temperature(distances).to(distances.distances.device)


def soft_targets(
    distances: DistanceTable,
    tau: float | Temperature,
    contrast: float = 0.0,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Return ``p_d(v | x) = softmax_v(-d(v, x) / tau)`` of every true token x, (G, V, V).

    Tokens that a group lacks get no mass. For ``contrast`` see `target_rows`.
    """
    targets = torch.empty_like(distances.distances, dtype=dtype)
    step = max(1, _CHUNK // distances.vocab_size)
    for group, temperature in enumerate(temperatures(distances, tau).tolist()):
        valid = None if distances.valid is None else distances.valid[group]
        for start in range(0, distances.vocab_size, step):
            rows = slice(start, start + step)
            targets[group, rows] = target_rows(distances.distances[group, rows], temperature, valid, contrast)
    return targets


def target_rows(distances: Tensor, tau: float, valid: Tensor | None = None, contrast: float = 0.0) -> Tensor:
    """Return the targets (n, V), float64, of n true tokens.

    With ``contrast`` c far tokens are pushed down: ``p(v) ~ max(0, p_d(v) - c * d(v, x) / sum_w d(w, x))``. The paper
    speaks of a contrastive augmentation of its target, of which no formula was found: this is *our* reading, repulsion
    in proportion to distance. It leaves the true token's mass as it is (before normalising) and cuts off the tail.

    Args:
        distances: (n, V), from each true token to every token.
        tau: Temperature.
        valid: (V,), tokens that there are; None for all.
        contrast: c; 0 is off.
    """
    distances = distances.double()
    score = -distances / tau
    if valid is not None:
        score = score.masked_fill(~valid, -torch.inf)
        distances = distances.masked_fill(~valid, 0.0)
    targets = torch.softmax(score, dim=-1)
    if contrast == 0:
        return targets
    repulsion = distances / distances.sum(-1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    targets = (targets - contrast * repulsion).clamp(min=0.0)
    return targets / targets.sum(-1, keepdim=True)


def nearest(targets: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """Return the tokens (..., k) that hold most of targets (..., V), and their shares, which add up to 1."""
    shares, tokens = targets.topk(neighbours, dim=-1)
    return tokens, shares / shares.sum(-1, keepdim=True)


def nearest_targets(
    points: TokenPoints, distance: Distance, tau: float, neighbours: int, contrast: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return the k nearest tokens of every true token and their shares of its target, both (G, V, k).

    Never holds distances of all tokens to all tokens.

    Raises:
        ValueError: The distance is measured in bins, and these tokens are none.
    """
    places, periods = points.points, points.periods
    if distance.unit == "bins":
        if points.lattice is None:
            raise ValueError("these tokens have no bins to count: use a distance with unit=tolerance")
        places, periods = points.lattice, points.lattice_periods
    step = max(1, _CHUNK // (places.shape[1] * places.shape[2]))
    tokens, shares = [], []
    for group, here in enumerate(places):
        period = None if periods is None or math.isinf(float(periods[group])) else float(periods[group])
        valid = None if points.valid is None else points.valid[group]
        for start in range(0, len(here), step):
            rows = distance(here[start : start + step, None], here[None], period)
            chosen = nearest(target_rows(rows, tau, valid, contrast), neighbours)
            tokens.append(chosen[0])
            shares.append(chosen[1].float())
    size = (*places.shape[:2], neighbours)
    return torch.cat(tokens).view(size), torch.cat(shares).view(size)
