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

    def offsets(self, targets: Tensor, target_values: Tensor | None = None) -> Tensor:
        """Return by how much each token is above the true value, the short way round, (..., L, V)."""
        groups = self.groups.expand_as(targets)
        delta = self.values[groups] - self.truth(targets, target_values)[..., None]
        if not self.wraps:
            return delta
        period = self.periods[groups][..., None].to(delta.dtype)
        turned = torch.remainder(delta + period / 2, period) - period / 2
        return torch.where(period.isfinite(), turned, delta)
