"""A number as its digits, most significant first: how DIST2Loss was first applied to numbers (arXiv 2503.02379).

B batch, T steps, A dimensions that move, D digits, V = base, L = T * A * D. Position ``(t * A + a) * D + i`` is digit i
of dimension a at step t.
"""

from typing import Any

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.distances.points import TokenPoints
from dist2_robot.tokenizers.tokenizer import Tokenizer


class DigitsTokenizer(Tokenizer):
    """``value = low + (n + 1/2) * w`` with ``w = (high - low) / base^digits`` and n written in the base.

    A digit stands for itself times its place value, and a number is ``low + w/2`` and the sum of its digits, so
    expected digits give the expected number. A round trip errs by w/2 at most; what is out of range goes to the near
    edge.

    Distances are those of single digits: carries and wrapping are lost. 39 and 40 differ in both digits, and the two
    ends of a circle in all of them, though their values are neighbours. For the same reason means that are taken round
    the mode of each digit (``decoding=local_mean``) add up to no likely number: use ``argmax`` or ``mean``.
    """

    _places: Tensor
    _width: Tensor

    def __init__(self, spec: ActionSpec, horizon: int, base: int = 10, digits: int = 3) -> None:
        """Args: spec: Limits and tolerances. horizon: T. base: Tokens, V. digits: Tokens of one number, D."""
        if base < 2 or digits < 1:
            raise ValueError(f"a number needs a base of 2 and 1 digit at least, got base {base} and {digits} digits")
        count = len(spec.moving) * digits
        super().__init__(spec, horizon, base, horizon * count, tokens_per_query=count)
        self.base = base
        self.digits = digits
        for d in self.moving.dimensions:
            if (d.high - d.low) / base**digits <= torch.finfo(torch.float32).eps * max(abs(d.low), abs(d.high)):
                raise ValueError(
                    f"action dimension '{d.name}': {digits} digits in base {base} cannot be told apart in 32 bits in "
                    f"[{d.low}, {d.high}]: use fewer digits or a wider range"
                )
        places = torch.tensor([base**i for i in reversed(range(digits))])
        self.register_buffer("_places", places, persistent=False)  # (D,), how many cells a digit counts for
        self.register_buffer("_width", (self._high - self._low) / base**digits, persistent=False)  # (A,), w

    def _encode(self, actions: Tensor) -> Tensor:
        return self._split(self.in_limits(actions)).flatten(-3)

    def _decode(self, tokens: Tensor) -> Tensor:
        cells = (tokens.unflatten(-1, (self.horizon, len(self.moving), self.digits)) * self._places).sum(-1)
        return (self._low + (cells + 0.5) * self._width).float()

    def values(self) -> Tensor:
        worth = self._width[:, None] * self._places  # (A, D)
        digit = torch.arange(self.base, device=worth.device)
        return (worth[..., None] * digit).flatten(0, 1).repeat(self.horizon, 1).float()

    def _to_values(self, actions: Tensor) -> Tensor:
        """Return what each digit contributes, (B, L); the last one carries what the digits leave over, up to w/2."""
        within = self.in_limits(actions)
        contributions = self._split(within) * self._places * self._width[:, None]  # (B, T, A, D)
        contributions[..., -1] += within - self._low - self._width / 2 - contributions.sum(-1)
        return contributions.flatten(-3).to(actions.dtype)

    def _to_actions(self, values: Tensor) -> Tensor:
        """Return ``low + w/2`` and the sum of the digits' values (B, L): linear in them."""
        digits = values.unflatten(-1, (self.horizon, len(self.moving), self.digits))
        return (self._low + self._width / 2 + digits.sum(-1, dtype=torch.float64)).to(values.dtype)

    def padding_mask(self, is_padding: Tensor) -> Tensor:
        return is_padding.repeat_interleave(len(self.moving) * self.digits, dim=-1)

    def never_averaged(self) -> Tensor:
        grippers = torch.tensor([d.kind == "gripper" for d in self.moving.dimensions])
        return grippers.repeat_interleave(self.digits).repeat(self.horizon)

    def points(self) -> TokenPoints:
        """Return one group per digit of each dimension: the digit times its place value; as lattice the digit."""
        tolerances = torch.tensor([d.tolerance for d in self.moving.dimensions], dtype=torch.float64)
        worth = (self._width.cpu() / tolerances)[:, None] * self._places.cpu()  # (A, D), of one, in tolerances
        worth, tolerances = worth.flatten()[:, None], tolerances.repeat_interleave(self.digits)  # (G, 1), (G,)
        digit = torch.arange(self.base + 1, dtype=torch.float64)
        never = torch.full_like(tolerances, torch.inf)
        return TokenPoints(
            points=(worth * digit[:-1])[..., None],
            groups=torch.arange(len(worth)).repeat(self.horizon),
            lattice=digit[:-1].expand(len(worth), -1)[..., None],
            periods=never,
            lattice_periods=never,
            tolerances=tolerances,
            edges=worth * (digit - 0.5),
            digits=self.digits,
        )

    def config(self) -> dict[str, Any]:
        return {"name": "digits", "horizon": self.horizon, "base": self.base, "digits": self.digits}

    def _split(self, within: Tensor) -> Tensor:
        """Return the digits (..., A, D) of the cells that actions (..., A) within the limits lie in."""
        cells = ((within - self._low) / self._width).floor().long().clamp(0, self.base**self.digits - 1)
        return cells[..., None] // self._places % self.base
