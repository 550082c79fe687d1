"""Equal bins between the limits of each action dimension. B batch, T steps, A dimensions, V bins, L = T * A."""

from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.distances.protocol import Distance
from dist2_robot.distances.table import DistanceTable


class UniformTokenizer(nn.Module):
    """One token per step and dimension: V equal bins from ``low`` to ``high``, each standing for its centre.

    The token of position ``t * A + a`` is ``floor((action - low) / (high - low) * V)``; what is out of range goes to
    the near edge, or round the circle where the dimension wraps. A round trip errs by half a bin at most.
    """

    low: Tensor
    high: Tensor

    def __init__(self, spec: ActionSpec, horizon: int, bins: int = 256) -> None:
        """Args: spec: Limits and tolerances. horizon: Steps of a chunk, T. bins: Tokens of a dimension, V."""
        super().__init__()
        if bins < 2:
            raise ValueError(f"a tokenizer needs at least 2 bins, got {bins}")
        if horizon < 1:
            raise ValueError(f"a chunk needs at least 1 step, got {horizon}")
        self.spec = spec
        self.horizon = horizon
        self.vocab_size = bins
        self.tokens_per_chunk = horizon * len(spec)
        # float64: half a bin of error must not be lost in rounding where the range is far from zero.
        self.register_buffer("low", torch.tensor([d.low for d in spec.dimensions], dtype=torch.float64))
        self.register_buffer("high", torch.tensor([d.high for d in spec.dimensions], dtype=torch.float64))
        for dimension, centres in zip(spec.dimensions, self._centres().float(), strict=True):
            if not (centres.diff() > 0).all():
                raise ValueError(
                    f"action dimension '{dimension.name}': {bins} bins in [{dimension.low}, {dimension.high}] "
                    "cannot be told apart in 32 bits: use fewer bins or a wider range"
                )

    def encode(self, actions: Tensor) -> Tensor:
        """Return tokens (B, T * A) of actions (B, T, A) in the units of the spec."""
        if actions.shape[-2:] != (self.horizon, len(self.spec)):
            raise ValueError(f"actions must be (B, {self.horizon}, {len(self.spec)}), got {tuple(actions.shape)}")
        if not torch.isfinite(actions).all():
            raise ValueError("cannot encode actions that are not finite")
        position = (actions - self.low) / (self.high - self.low)
        wraps = torch.tensor([d.wraps for d in self.spec.dimensions], device=actions.device)
        position = torch.where(wraps, torch.remainder(position, 1.0), position)
        tokens = torch.floor(position * self.vocab_size).clamp(0, self.vocab_size - 1)
        return tokens.long().flatten(-2)

    def decode(self, tokens: Tensor) -> Tensor:
        """Return the centres (B, T, A) of the bins that tokens (B, T * A) name."""
        if tokens.shape[-1] != self.tokens_per_chunk:
            raise ValueError(f"a chunk has {self.tokens_per_chunk} tokens, got {tokens.shape[-1]}")
        if tokens.is_floating_point():
            raise ValueError(f"tokens are whole numbers, got {tokens.dtype}")
        if ((tokens < 0) | (tokens >= self.vocab_size)).any():
            raise ValueError(f"tokens must lie in [0, {self.vocab_size}), got {tokens.min()} to {tokens.max()}")
        tokens = tokens.unflatten(-1, (self.horizon, len(self.spec)))
        values = self.low + (tokens + 0.5) * self._bin_width()
        return values.float()

    def to_actions(self, values: Tensor) -> Tensor:
        """Return (B, T, A) from one value per position (B, T * A): here the values are the actions."""
        return values.unflatten(-1, (self.horizon, len(self.spec)))

    def to_values(self, actions: Tensor) -> Tensor:
        """Return (B, T * A), the inverse of `to_actions`."""
        return actions.flatten(-2)

    def padding_mask(self, is_padding: Tensor) -> Tensor:
        """Return (B, T * A): the tokens of a step count when the step does."""
        return is_padding.repeat_interleave(len(self.spec), dim=-1)

    def values(self) -> Tensor:
        """Return the bin centres of each position, (T * A, V), in the units of the spec."""
        return self._centres().repeat(self.horizon, 1).float()

    def distances(self, distance: Distance) -> DistanceTable:
        """Return one table per dimension, in units of its tolerance or of its bins, whichever the distance wants."""
        tables = []
        centres = self._centres()
        for i, dimension in enumerate(self.spec.dimensions):
            unit = dimension.tolerance if distance.unit == "tolerance" else float(self._bin_width()[i])
            period = (dimension.high - dimension.low) / unit if dimension.wraps else None
            scaled = centres[i] / unit
            tables.append(distance(scaled[:, None], scaled[None, :], period))
        # Wrapping differences are symmetric up to rounding only.
        table = torch.stack(tables)
        table = (table + table.mT) / 2
        groups = torch.arange(len(self.spec)).repeat(self.horizon)
        return DistanceTable(table.float(), groups)

    def config(self) -> dict[str, Any]:
        """Return name and arguments for the registry."""
        return {"name": "uniform", "horizon": self.horizon, "bins": self.vocab_size}

    def _bin_width(self) -> Tensor:
        return (self.high - self.low) / self.vocab_size  # (A,)

    def _centres(self) -> Tensor:
        index = torch.arange(self.vocab_size, device=self.low.device, dtype=torch.float64) + 0.5
        return self.low[:, None] + index * self._bin_width()[:, None]  # (A, V)
