"""HL-Gauss: cross-entropy with a Gaussian round the true value, cut into bins (Farebrother 2024, arXiv 2403.03950).

With y the value before it was cut, ``target(v) ~ Phi((e_{v+1} - y) / sigma) - Phi((e_v - y) / sigma)`` (section 3.1).
G groups of positions, L positions, V tokens.
"""

import torch
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.output import LossOutput, each_soft_cross_entropy, masked_mean
from dist2_robot.losses.token_values import TokenValues

UNITS = ("bins", "tolerance")
_REACH = 6.0  # standard deviations beyond which a Gaussian has no mass that 32 bits can tell


class HLGaussLoss(nn.Module):
    """Cross-entropy with the mass of a Gaussian in each bin, normalised over the bins (so: truncated).

    Unlike a target of distances between tokens it knows where in its bin the true value is. Values out of range count
    as the near limit. Where values wrap the Gaussian goes round the circle. Without ``target_values`` the value of
    the true token is taken.

    Args:
        points: Of ordered tokens.
        sigma: Standard deviation.
        unit: What sigma is counted in: ``bins``, the mean width of a bin of that dimension (0.75 in the paper), or
            ``tolerance``.
    """

    edges: Tensor
    sigmas: Tensor

    def __init__(self, points: TokenPoints, sigma: float = 0.75, unit: str = "bins") -> None:
        super().__init__()
        if not 0 < sigma < torch.inf:
            raise ValueError(f"sigma must be positive, got {sigma}")
        if unit not in UNITS:
            raise ValueError(f"sigma is counted in 'bins' or 'tolerance', not in '{unit}'")
        if points.edges is None:
            raise ValueError("hl_gauss needs tokens that stand for one interval each: use loss=dist2 or loss=sord")
        self.tokens = TokenValues(points, "hl_gauss")
        edges = points.edges - self.tokens.middle[:, None]  # (G, V + 1)
        if points.valid is not None:  # a token that is not there has no width
            present = torch.nn.functional.pad(points.valid, (1, 0), value=True)
            edges = torch.where(present, edges, -torch.inf).cummax(1).values
        count = points.vocab_size if points.valid is None else points.valid.sum(1)
        widths = (edges[:, -1] - edges[:, 0]) / count if unit == "bins" else torch.ones(len(edges))
        self.register_buffer("edges", edges.float(), persistent=False)
        self.register_buffer("sigmas", (sigma * widths).float(), persistent=False)  # (G,)
        turns = int(torch.ceil(_REACH * self.sigmas / self.tokens.periods).max()) if self.tokens.wraps else 0
        self.turns = min(turns, 50)  # a Gaussian that wide is uniform on the circle

    def target(self, targets: Tensor, target_values: Tensor | None = None) -> Tensor:
        """Return the target distributions (..., L, V), given true tokens (..., L) and values in units of the action."""
        groups = self.tokens.groups.expand_as(targets)
        value = self.tokens.truth(targets, target_values)
        edges, sigma = self.edges[groups], self.sigmas[groups][..., None]  # (..., L, V + 1), (..., L, 1)
        mass = torch.zeros_like(edges[..., 1:])
        for turn in range(-self.turns, self.turns + 1):
            mass = mass + self._mass(edges, self._moved(value, groups, turn)[..., None], sigma)
        return mass / mass.sum(-1, keepdim=True)

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        soft = self.target(targets, target_values)
        loss = masked_mean(each_soft_cross_entropy(logits, soft, targets, metric_tokens), padding_mask)
        return LossOutput(loss, {"cross_entropy": loss.detach()})

    def _moved(self, value: Tensor, groups: Tensor, turn: int) -> Tensor:
        """Return the values (..., L), brought into range and some turns on; infinite where there are no turns."""
        low, high = self.edges[:, 0][groups], self.edges[:, -1][groups]
        near = torch.minimum(torch.maximum(value, low), high)
        if not self.tokens.wraps:
            return near
        period = self.tokens.periods[groups].to(value.dtype)
        round_ = period.isfinite()
        period = torch.where(round_, period, 1.0)
        wrapped = low + torch.remainder(value - low, period) + turn * period
        return torch.where(round_, wrapped, near if turn == 0 else torch.inf)

    @staticmethod
    def _mass(edges: Tensor, value: Tensor, sigma: Tensor) -> Tensor:
        """Return the mass of a normal distribution between edges (..., V + 1); none where the value is infinite."""
        return torch.special.ndtr((edges - value) / sigma).diff(dim=-1)
