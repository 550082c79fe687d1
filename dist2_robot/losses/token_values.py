"""What tokens that stand for numbers mean, and how far each of them is from the truth.

G groups of positions, L positions, V tokens.
"""

import math

import torch
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints


class TokenValues(nn.Module):
    """The numbers of the tokens of each position, in units of tolerance.

    They are kept as differences from the middle of their group, so that 32 bits are enough far from zero.

    Args:
        points: Of tokens with one coordinate.
        loss: The name of the loss that needs them, for the error.

    Raises:
        ValueError: A token is no single number.
    """

    values: Tensor
    middle: Tensor
    tolerances: Tensor | None
    periods: Tensor
    valid: Tensor | None
    counts: Tensor
    gaps: Tensor
    groups: Tensor

    def __init__(self, points: TokenPoints, loss: str) -> None:
        super().__init__()
        if points.points.shape[-1] != 1:
            raise ValueError(f"{loss} needs tokens that stand for one number each: use loss=dist2, sord or energy")
        values = points.points[..., 0]  # (G, V), float64
        if points.valid is not None:  # whatever stands in for a token that is not there
            values = torch.where(points.valid, values, values[:, :1])
        middle = (values.amin(1) + values.amax(1)) / 2
        never = torch.full_like(middle, math.inf)
        self.register_buffer("values", (values - middle[:, None]).float(), persistent=False)
        self.register_buffer("middle", middle, persistent=False)
        self.register_buffer("tolerances", points.tolerances, persistent=False)
        self.register_buffer("periods", never if points.periods is None else points.periods, persistent=False)
        self.register_buffer("valid", points.valid, persistent=False)
        self.register_buffer("groups", points.groups, persistent=False)
        self.wraps = bool(self.periods.isfinite().any())
        size = points.vocab_size
        counts = torch.full((len(values),), size) if points.valid is None else points.valid.sum(1)
        self.register_buffer("counts", counts, persistent=False)  # (G,)
        self.register_buffer("gaps", self._gaps(values), persistent=False)  # (G, V)

    def truth(self, targets: Tensor, target_values: Tensor | None) -> Tensor:
        """Return the true values (..., L), less the middle of their group.

        Args:
            targets: (..., L), the true tokens, whose values count where there are no others.
            target_values: (..., L), in units of the action; None where only tokens are known.
        """
        groups = self.groups.expand_as(targets)
        if target_values is None or self.tolerances is None:
            return self.values[groups, targets]
        values = target_values.double() / self.tolerances[groups] - self.middle[groups]
        return values.to(self.values.dtype)

    def between(self, targets: Tensor, target_values: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return between which two tokens each true value lies: lower, upper, and how far on its way, (..., L) each.

        A share of 0.25 is a quarter of the way from the lower to the upper one. Values beyond the outer tokens count as
        these. Where values wrap the way goes on from the last token to the first.
        """
        groups = self.groups.expand_as(targets)
        count = self.counts[groups]
        ahead = self.the_short_way(self.truth(targets, target_values) - self.values[groups, targets], groups)
        lower = targets - (ahead < 0).long()
        gap = self.gaps[groups, lower.remainder(count)]
        share = torch.where(ahead < 0, ahead + gap, ahead).div(gap).clamp(0, 1)
        upper = (lower + 1).remainder(count)
        if not self.wraps:
            return self._clipped(lower, upper, share, count)
        turns = self.periods[groups].isfinite()
        clipped = self._clipped(lower, upper, share, count)
        around = lower.remainder(count), upper, share
        return tuple(torch.where(turns, a, c) for a, c in zip(around, clipped, strict=True))  # type: ignore[return-value]

    @staticmethod
    def _clipped(lower: Tensor, upper: Tensor, share: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the same on a line, which has no way from its last token on, nor to its first."""
        below, above = lower < 0, lower >= count - 1
        share = share.masked_fill(below | above, 0.0)
        return lower.clamp(min=0), torch.where(below, torch.zeros_like(upper), torch.where(above, lower, upper)), share

    def _gaps(self, values: Tensor) -> Tensor:
        """Return the way from each token to the next, (G, V), from the last one on to the first of the next turn."""
        last = (self.counts - 1)[:, None]
        whole = torch.where(self.periods.isfinite(), self.periods, torch.inf)[:, None]
        around = whole - (values.gather(1, last) - values[:, :1])
        gaps = torch.cat([values.diff(dim=1), around], dim=1)
        at = torch.arange(values.shape[1])
        return torch.where(at == last, around, torch.where(at > last, torch.inf, gaps)).float()

    def offsets(self, targets: Tensor, target_values: Tensor | None = None) -> Tensor:
        """Return by how much each token is above the true value, the short way round, (..., L, V)."""
        groups = self.groups.expand_as(targets)
        delta = self.values[groups] - self.truth(targets, target_values)[..., None]
        return self.the_short_way(delta, groups[..., None])

    def the_short_way(self, difference: Tensor, groups: Tensor) -> Tensor:
        """Return differences in tolerances, the short way round where the values of their groups wrap."""
        if not self.wraps:
            return difference
        period = self.periods[groups].to(difference.dtype)
        turned = torch.remainder(difference + period / 2, period) - period / 2
        return torch.where(period.isfinite(), turned, difference)
