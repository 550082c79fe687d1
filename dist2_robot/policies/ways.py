"""Which way to go: the modes of a chunk, those that say nearly the same gathered into bundles.

Two modes are as near as ``exp(-D^2 / 2 h^2)``, D the root mean square of their difference over the chunk in tolerances,
h a few of them. The bundle of mode k holds ``a_kj = w_j exp(-D_kj^2 / 2 h^2)`` of each mode j; the heaviest one,
``sum_j a_kj``, is the way that is taken.

B batch, n positions, K modes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.types import Modes

NEAR = 3.0  # h, in tolerances


@dataclass(frozen=True)
class Ways:
    """Attributes:
    bundles: (B, K, K), log of the share that each mode (last) has in the bundle of each.
    weights: (B, K), of the bundles; they add up to more than 1 where modes are near each other.
    entropy: (B,), nats: how open it is which way to go. Modes that say the same count as one, see `gather`.
    chosen: (B,), the bundle that is taken.
    """

    bundles: Tensor
    weights: Tensor
    entropy: Tensor
    chosen: Tensor

    def within(self, modes: Modes) -> Modes:
        """Return the modes with the weights that they have in the chosen bundle."""
        row = self.chosen[:, None, None].expand(-1, 1, self.bundles.shape[-1])
        return Modes(self.bundles.gather(1, row)[:, 0], modes.means, modes.scales)


class WayFinder(nn.Module):
    """Gathers modes into bundles, and chooses one.

    Args:
        points: Of the tokens of the chunk's positions.
        near: h.
    """

    unit: Tensor
    period: Tensor
    middle: Tensor
    scale: Tensor

    def __init__(self, points: TokenPoints, near: float = NEAR) -> None:
        super().__init__()
        middle, half = points.axis()
        tolerance = torch.ones_like(half) if points.tolerances is None else points.tolerances
        period = torch.full_like(half, torch.inf) if points.periods is None else points.periods / half
        self.near, self.wraps = near, bool(period.isfinite().any())
        self.register_buffer("unit", half[points.groups].float(), persistent=False)  # (L,), in tolerances
        self.register_buffer("period", period[points.groups].float(), persistent=False)  # (L,), on the axis

        self.register_buffer(
            "middle", (middle[:, 0] * tolerance)[points.groups], persistent=False
        )  # (L,), of the action
        self.register_buffer(
            "scale", (half * tolerance)[points.groups], persistent=False
        )  # (L,), units of a length of 1

    def gather(self, modes: Modes, first: int = 0, draw: bool = False) -> Ways:
        """Return the bundles of modes, and which to take.

        The entropy is that of Leinster and Cobbold (2012, order 1): ``-sum_k w_k log sum_j w_j exp(-D_kj^2 / 2 h^2)``,
        0 where all modes are one, that of the weights where all are far apart.

        Args:
            modes: Of n positions.
            first: The first of them.
            draw: Draw a mode by its weight and take its bundle, in place of the heaviest one.
        """
        means = modes.means.transpose(1, 2)  # (B, K, n)
        here = slice(first, first + means.shape[-1])
        difference = self.unit[here] * self._short(means[:, :, None] - means[:, None], here)  # (B, K, K, n)
        log_near = -difference.square().mean(-1) / (2 * self.near**2)
        bundles = modes.log_weights[:, None] + log_near
        log_total = bundles.logsumexp(-1)  # (B, K)
        weights = modes.log_weights.exp()
        entropy = -(weights * log_total).sum(-1)
        chosen = torch.multinomial(weights, 1)[:, 0] if draw else log_total.argmax(-1)
        return Ways(bundles - log_total[..., None], log_total.exp(), entropy, chosen)

    def means(self, ways: Ways, modes: Modes) -> Tensor:
        """Return the mean of each bundle of modes of a whole chunk, (B, K, L), on the axes of the positions."""
        means = modes.means.transpose(1, 2)
        moved = self._short(means[:, None] - means[:, :, None], slice(None))  # (B, K of, K to, L)
        return means + torch.einsum("bkj,bkjn->bkn", ways.bundles.exp(), moved)

    def to_values(self, means: Tensor) -> Tensor:
        """Return numbers (B, K, L) on the axes in the units of the action, within the outer tokens, or going round."""
        if not self.wraps:
            means = means.clamp(-1, 1)
        else:
            low = -self.period / 2
            turned = low + torch.remainder(means - low, self.period.where(self.period.isfinite(), 2.0))
            means = torch.where(self.period.isfinite(), turned, means.clamp(-1, 1))
        return self.middle + self.scale * means.to(self.scale)

    def _short(self, difference: Tensor, here: slice) -> Tensor:
        """Return differences (..., n) on the axes of some positions, the short way round where they wrap."""
        if not self.wraps:
            return difference
        period = self.period[here]
        finite = period.where(period.isfinite(), 1.0)
        return torch.where(period.isfinite(), difference - finite * (difference / finite).round(), difference)
