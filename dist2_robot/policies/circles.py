"""Means and medians of values that go round. B batch, n positions, k of them go round, V tokens."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

TIE = 1e-9  # of a period; risks that differ by less are the same, and the first token is taken


@dataclass(frozen=True)
class Circles:
    """The positions whose values repeat, and what is known of them before there is a distribution.

    Attributes:
        positions: (k,), which of the n they are.
        order: (n,), where each position is found once the k are put behind all n.
        low: (k, 1), where each circle begins, float64.
        period: (k, 1), its length, float64.
        first: (k, 1), the smallest number of 32 bits that is not below ``low``.
        last: (k, 1), the largest one that is below ``low + period``.
        offsets: (k, V), the values of the tokens from ``low``, float64; those that are not there are at the far end.
        half: (k, V), for each token the first one more than half a turn ahead, counted on beyond V.
        valid: (k, V), which tokens there are; None for all.
    """

    positions: Tensor
    order: Tensor
    low: Tensor
    period: Tensor
    first: Tensor
    last: Tensor
    offsets: Tensor
    half: Tensor
    valid: Tensor | None

    @classmethod
    def find(
        cls, values: Tensor | None, periods: Tensor, boundaries: Tensor | None, valid: Tensor | None
    ) -> "Circles | None":
        """Return the circles among n positions, or None where there is none.

        Args:
            values: (n, V), increasing; None for tokens without an order.
            periods: (n,), infinite where nothing repeats.
            boundaries: (n, V + 1), where tokens begin and end: a circle begins where its first token does.
            valid: (n, V) or None.

        Raises:
            ValueError: Values repeat, and nobody says where they begin.
        """
        positions = torch.isfinite(periods).nonzero()[:, 0]
        if values is None or not len(positions):
            return None
        if boundaries is None:
            raise ValueError("where values go round it must be told where their tokens begin and end")
        order = torch.arange(len(periods), device=periods.device)
        order[positions] = len(periods) + torch.arange(len(positions), device=periods.device)
        low, period = boundaries[positions, :1].double(), periods[positions, None].double()
        offsets = values[positions].double() - low
        valid = None if valid is None else valid[positions]
        offsets = offsets if valid is None else torch.where(valid, offsets, period)
        unrolled = torch.cat([offsets, offsets + period], dim=1)
        half = torch.searchsorted(unrolled, offsets + period / 2, right=True)
        first, last = low.float(), (low + period).float()
        first = torch.where(first < low, first.nextafter(torch.full_like(first, math.inf)), first)
        last = torch.where(last >= low + period, last.nextafter(torch.full_like(last, -math.inf)), last)
        return cls(positions, order, low, period, first, last, offsets, half, valid)

    def put(self, plain: Tensor, found: Tensor) -> Tensor:
        """Return (B, n): what was found at the circles (B, k), and (B, n) elsewhere."""
        return torch.cat([plain, found], dim=1).index_select(1, self.order)

    def mean(self, probabilities: Tensor) -> Tensor:
        """Return the angle (B, k) of the expected point, in ``[low, low + period)``, for probabilities (B, n, V)."""
        p = probabilities.index_select(1, self.positions)
        angle = (2 * math.pi * self.offsets / self.period).to(p.dtype)
        # In 32 bits: ONNX Runtime has no arc tangent of 64.
        direction = torch.atan2((p * angle.sin()).sum(-1).float(), (p * angle.cos()).sum(-1).float()).double()
        turns = torch.remainder(direction / (2 * math.pi), 1.0)
        value = self.low[:, 0] + turns * self.period[:, 0]
        return value.to(p.dtype).clamp(self.first[:, 0].to(p.dtype), self.last[:, 0].to(p.dtype))

    def median(self, probabilities: Tensor) -> Tensor:
        """Return the tokens (B, k) with the least expected arc to all others, for probabilities (B, n, V).

        Half of the circle lies ahead of a token and half behind. With the tokens written down twice, one turn after
        the other, either half is a run of them, and sums over runs are differences of two cumulative sums: V numbers a
        position in place of V * V arcs.
        """
        p = probabilities.index_select(1, self.positions).double()
        p = p if self.valid is None else p.masked_fill(~self.valid, 0.0)
        count = p.shape[-1]
        twice, unrolled = torch.cat([p, p], dim=-1), torch.cat([self.offsets, self.offsets + self.period], dim=1)
        mass = torch.nn.functional.pad(twice.cumsum(-1), (1, 0))  # (B, k, 2 V + 1), of all tokens before
        moment = torch.nn.functional.pad((twice * unrolled).cumsum(-1), (1, 0))
        half = self.half.expand(p.shape)
        mass_half, moment_half = mass.gather(-1, half), moment.gather(-1, half)
        own, next_turn = slice(0, count), slice(count, 2 * count)
        ahead = moment_half - moment[..., own] - self.offsets * (mass_half - mass[..., own])
        behind = (self.offsets + self.period) * (mass[..., next_turn] - mass_half)
        risk = ahead + behind - (moment[..., next_turn] - moment_half)  # (B, k, V)
        risk = risk if self.valid is None else risk.masked_fill(~self.valid, math.inf)
        is_least = risk <= risk.amin(-1, keepdim=True) + TIE * self.period
        return is_least.int().argmax(-1)
