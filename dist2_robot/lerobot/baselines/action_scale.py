"""Actions to the scale that a network of LeRobot was made for. T steps of a chunk, A action dimensions."""

import torch
from torch import Tensor, nn

from dist2_robot.actions.normalizer import CONSTANT_SPREAD

SCALES = ("mean_std", "min_max")


class ActionScale(nn.Module):
    """``(x - shift) / factor`` of each dimension.

    ``mean_std``: mean and standard deviation. ``min_max``: the middle and half of the range, so that recorded actions
    span [-1, 1]. A dimension that hardly moved is only shifted.
    """

    shift: Tensor
    factor: Tensor

    def __init__(self, dimensions: int, kind: str) -> None:
        """Args: dimensions: A. kind: One of `SCALES`. Starts as the identity; `fit` sets it."""
        super().__init__()
        if kind not in SCALES:
            raise ValueError(f"the scale of actions must be one of {', '.join(SCALES)}, got {kind!r}")
        self.kind = kind
        self.register_buffer("shift", torch.zeros(dimensions))
        self.register_buffer("factor", torch.ones(dimensions))

    def fit(self, actions: Tensor) -> None:
        """Take the scale from recorded actions (N, A)."""
        actions = actions.double()
        if self.kind == "mean_std":
            shift, factor = actions.mean(dim=0), actions.std(dim=0, correction=0)
        else:
            low, high = actions.amin(dim=0), actions.amax(dim=0)
            shift, factor = (low + high) / 2, (high - low) / 2
        constant = factor < CONSTANT_SPREAD * shift.abs().clamp(min=1.0)
        self.shift.copy_(shift)
        self.factor.copy_(torch.where(constant, torch.ones_like(factor), factor))

    def forward(self, actions: Tensor) -> Tensor:
        """Return actions (..., A) on the scale of the network."""
        return (actions - self.shift) / self.factor

    def undo(self, scaled: Tensor) -> Tensor:
        """Return scaled actions (..., A) in the units of the action spec."""
        return self.shift + scaled * self.factor
