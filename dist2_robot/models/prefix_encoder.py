"""What is already decided of a chunk, to transformer inputs. B batch, P steps, A action dimensions, D width."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from dist2_robot.actions.constants import MovingColumns
from dist2_robot.actions.spec import ActionSpec
from dist2_robot.types import Prefix


class PrefixEncoder(nn.Module):
    """One token for each of the first P steps of a chunk: what will be done there, or that nothing is decided yet.

    A number becomes -1 at its lower limit and 1 at its upper one, an angle that wraps its sine and cosine; a linear
    map makes a token of them. What never moved in the recordings tells nothing, and is left out. For training-time
    action conditioning (Black et al. 2025).

    Args:
        spec: What an action is.
        width: D.
        steps: P.
    """

    low: Tensor
    range: Tensor
    wraps: Tensor

    def __init__(self, spec: ActionSpec, width: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.columns = MovingColumns(spec)
        moving = self.columns.spec.dimensions
        low, high = (torch.tensor([getattr(d, end) for d in moving]) for end in ("low", "high"))
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("range", high - low, persistent=False)
        self.register_buffer("wraps", torch.tensor([d.wraps for d in moving]), persistent=False)
        self.linear = nn.Linear(2 * len(moving), width)
        self.is_known = nn.Parameter(torch.randn(2, width) * 0.02)  # unknown, known
        self.place = nn.Parameter(torch.randn(steps, width) * 0.02)

    def forward(self, prefix: Prefix | None, batch: int) -> Tensor:
        """Return (B, P, D) for so many rows. Nothing is checked here (see `check_prefix`), for exports' sake."""
        if prefix is None:
            return (self.is_known[0] + self.place).expand(batch, -1, -1)
        known = prefix.is_known(self.steps)[..., None]  # (B, P, 1)
        start = self.low.expand(batch, self.steps, -1)
        given = replace(prefix, actions=self.columns.take(prefix.actions))
        tokens = self.linear(self._scaled(given.put_into(start))) + self.is_known[1]
        return torch.where(known, tokens, self.is_known[0]) + self.place

    def _scaled(self, actions: Tensor) -> Tensor:
        """Return actions (..., A) as (..., 2 A); the second half is there for angles that wrap."""
        share = (actions - self.low) / self.range
        sine, cosine = (2 * torch.pi * share).sin(), (2 * torch.pi * share).cos()
        first = torch.where(self.wraps, sine, 2 * share - 1)
        return torch.cat([first, torch.where(self.wraps, cosine, torch.zeros_like(cosine))], dim=-1)


def check_prefix(prefix: Prefix, batch: int, dimensions: int, most: int) -> None:
    """Refuse what no policy can go on from.

    Raises:
        ValueError: Another shape than (B, P, A) and (B,), more committed steps than ``most`` or than there are actions
            of, or committed actions that are not finite.
    """
    actions, steps = prefix.actions, prefix.steps
    if actions.ndim != 3 or actions.shape[0] != batch or actions.shape[2] != dimensions or steps.shape != (batch,):
        raise ValueError(
            f"a prefix has actions ({batch}, P, {dimensions}) and steps ({batch},), got {tuple(actions.shape)} and "
            f"{tuple(steps.shape)}"
        )
    if steps.is_floating_point():
        raise ValueError(f"the steps of a prefix are whole numbers, got {steps.dtype}")
    fewest, largest = int(steps.min()), int(steps.max())
    if fewest < 0 or largest > most:
        raise ValueError(
            f"this policy can be given up to {most} committed steps, got {largest if largest > most else fewest}: "
            "train with a larger policy.max_prefix, or commit to less"
        )
    if largest > actions.shape[1]:
        raise ValueError(f"a prefix of {largest} steps needs as many actions, got {actions.shape[1]}")
    if not torch.isfinite(actions[prefix.is_known(actions.shape[1])]).all():
        raise ValueError("the committed actions are not finite")
