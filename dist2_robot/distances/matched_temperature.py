"""What temperatures that are found by search share. G groups of positions, V tokens, R tokens that are looked at."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dist2_robot.distances.table import DistanceTable
from dist2_robot.distances.temperature import Temperature

_CHUNK = 2**18  # distances that are looked at at a time: what fits into a cache is fastest
_STEPS = 100  # a bisection of all that float64 can tell apart takes less
_ACCURACY = 1e-8  # of what is wanted


@dataclass(frozen=True)
class Moments:
    """What the target ``softmax(-d(., x) / tau)`` of a true token x says of its distances.

    Attributes:
        tau: (G, 1).
        log_sum: (G, R), the logarithm of ``sum_v exp(-d(v, x) / tau)``.
        mean: (G, R), ``E d``.
        variance: (G, R), ``Var d``.
    """

    tau: Tensor
    log_sum: Tensor
    mean: Tensor
    variance: Tensor


class MatchedTemperature(Temperature):
    """Finds tau of each group so that a statistic of its targets, which grows with tau, has a wanted value.

    Newton's method in log tau, kept inside a bracket and replaced by its middle where it does not halve the error.
    """

    @abstractmethod
    def wanted(self, power: float) -> float:
        """Return the value that the statistic shall have, given what power of a length distances are."""

    @abstractmethod
    def statistic(self, moments: Moments) -> tuple[Tensor, Tensor]:
        """Return a statistic of the targets (G, R), and its derivative by log tau (G, R)."""

    @abstractmethod
    def limits(self, distances: Tensor, valid: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean statistics (G,) for tau to 0 and tau to infinity. Arguments: those of `_solve`."""

    @abstractmethod
    def explain(self, group: int, tokens: int, low: float, high: float, power: float) -> str:
        """Return in one line that a group of so many tokens has no such tau, and what it could have."""

    def rows(self, distances: Tensor, valid: Tensor) -> Tensor:
        """Return the true tokens (G, V), boolean, over whose targets the statistic is averaged: all there are."""
        return valid

    def __call__(self, distances: DistanceTable) -> Tensor:
        """Return one temperature a group, (G,). Raises ValueError where none gives the wanted value."""
        table = distances.distances
        valid = distances.valid
        if valid is None:
            valid = torch.ones(table.shape[:2], dtype=torch.bool, device=table.device)
        wanted = self.wanted(distances.power)
        size = max(1, _CHUNK // table.shape[-1] ** 2)
        parts = []
        for first in range(0, len(table), size):
            here = slice(first, first + size)
            d = table[here].double()
            rows = self.rows(d, valid[here])
            low, high = self.limits(d, valid[here], rows)
            outside = ~((low < wanted) & (wanted < high))
            if outside.any():
                group = int(outside.nonzero()[0])
                tokens = int(valid[here][group].sum())
                limits = float(low[group]), float(high[group])
                raise ValueError(self.explain(first + group, tokens, *limits, distances.power))
            parts.append(self._solve(d, valid[here], rows, wanted))
        return torch.cat(parts)

    def _solve(self, distances: Tensor, valid: Tensor, rows: Tensor, wanted: float) -> Tensor:
        """Return tau (G,).

        Args:
            distances: (G, V, V).
            valid: (G, V), which tokens there are.
            rows: (G, V), the true tokens to average over.
            wanted: What the statistic shall be.
        """
        no_pair = ~(valid[:, :, None] & valid[:, None, :] & (distances > 0))
        smallest = distances.masked_fill(no_pair, math.inf).amin((1, 2))
        largest = distances.masked_fill(no_pair, 0.0).amax((1, 2))
        # At exp(-700) and 1 - 1e-9 the statistics are at their limits.
        low, high = torch.log(smallest / 700), torch.log(largest * 1e9)
        log_tau = torch.log(smallest * largest) / 2
        last_error = torch.full_like(log_tau, math.inf)
        chunks = list(_row_chunks(distances, rows))
        for _ in range(_STEPS):
            value, slope = self._mean(chunks, valid, log_tau.exp())
            error = value - wanted
            done = error.abs() <= _ACCURACY * wanted
            if done.all():
                break
            low, high = torch.where(error < 0, log_tau, low), torch.where(error < 0, high, log_tau)
            newton = log_tau - error / slope
            is_good = (low < newton) & (newton < high) & (error.abs() < last_error / 2)
            log_tau = torch.where(done, log_tau, torch.where(is_good, newton, (low + high) / 2))
            last_error = torch.where(is_good, error.abs(), math.inf)
        return log_tau.exp()

    def _mean(self, chunks: list[tuple[Tensor, Tensor]], valid: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
        """Return the statistic and its derivative, averaged over true tokens, (G,) each."""
        total = torch.zeros(3, len(tau), dtype=torch.float64, device=tau.device)
        for distances, counts in chunks:
            for i, numbers in enumerate((*self.statistic(_moments(distances, valid, tau)), torch.ones_like(counts))):
                total[i] += numbers.masked_fill(~counts, 0).sum(1)
        return total[0] / total[2], total[1] / total[2]


def _row_chunks(distances: Tensor, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the rows (G, R, V) of distances (G, V, V), and which of them count (G, R), a few at a time."""
    needed = rows.any(0)
    if not needed.all():  # rows that count in no group are left out
        distances, rows = distances[:, needed], rows[:, needed]
    size = max(1, _CHUNK // (len(distances) * distances.shape[-1]))
    yield from zip(distances.split(size, dim=1), rows.split(size, dim=1), strict=True)


def _moments(distances: Tensor, valid: Tensor, tau: Tensor) -> Moments:
    """Return what targets say of distances (G, R, V), for tokens (G, V) that there are and tau (G,)."""
    # The true token's weight is 1, so the sum is safe. Weights below 1e-299 are kept there: smaller ones are slow.
    weight = (distances * (-1 / tau)[:, None, None]).clamp_(min=-690).exp_()
    weight *= valid[:, None, :]
    total = weight.sum(-1)
    weight *= distances
    mean = weight.sum(-1) / total
    weight *= distances
    variance = (weight.sum(-1) / total - mean.square()).clamp(min=0)
    return Moments(tau[:, None], total.log(), mean, variance)
