"""Bins between edges, one token per step and dimension: what all binned tokenizers share.

B batch, T steps, A dimensions that move, V bins, L = T * A. Position ``t * A + a`` is dimension a at step t.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.distances.points import TokenPoints
from dist2_robot.tokenizers.tokenizer import Tokenizer


class BinnedTokenizer(Tokenizer):
    """V bins of each dimension, each standing for its centre; a subclass says where the edges are.

    A bin holds its lower edge. What is out of range goes to the near edge, or round the circle where the dimension
    wraps. A round trip errs by half the width of a bin at most.
    """

    edges: Tensor
    counts: Tensor

    def __init__(self, spec: ActionSpec, horizon: int, edges: Tensor, counts: Sequence[int] | None = None) -> None:
        """Cut at edges.

        Args:
            spec: Limits and tolerances.
            horizon: T.
            edges: (A, V + 1), increasing, from low to high, of the dimensions that move.
            counts: How many of the V bins each dimension has; its edges beyond them only fill the table. None: all.
        """
        count = len(spec.moving)
        super().__init__(spec, horizon, edges.shape[-1] - 1, horizon * count, tokens_per_query=count)
        full = [self.vocab_size] * count
        self.register_buffer("counts", torch.tensor(full if counts is None else list(counts)), persistent=False)  # (A,)
        # float64: half a bin of error must not be lost in rounding where the range is far from zero.
        self.register_buffer("edges", torch.empty_like(edges, dtype=torch.float64))
        self.set_edges(edges)

    def set_edges(self, edges: Tensor) -> None:
        """Move the edges (A, V + 1). Raises ValueError, naming the dimension, where bins cannot be told apart."""
        for dimension, row, count in zip(self.moving.dimensions, edges.double(), self.counts.tolist(), strict=True):
            row = row[: count + 1]
            centres = ((row[1:] + row[:-1]) / 2).float()
            if not (centres.diff() > 0).all() or not (row.diff() > 0).all():
                bad = int(torch.argmin(row.diff()))
                raise ValueError(
                    f"action dimension '{dimension.name}': {count} bins in [{dimension.low}, "
                    f"{dimension.high}] cannot be told apart in 32 bits (edges {row[bad]:.9g} and {row[bad + 1]:.9g}): "
                    "use fewer bins or a wider range"
                )
        self.edges.copy_(edges)

    def _encode(self, actions: Tensor) -> Tensor:
        values = actions.to(torch.float64, copy=True)  # wrapped in place below, and the actions are the caller's
        low, high = self.limits()
        for i, dimension in enumerate(self.moving.dimensions):
            if dimension.wraps:
                values[..., i] = low[i] + torch.remainder(values[..., i] - low[i], high[i] - low[i])
        inner = self.edges[:, 1:-1].contiguous()  # (A, V - 1): below the first is bin 0, above the last bin V - 1
        columns = values.movedim(-1, 0).flatten(1).contiguous()  # (A, B * T)
        if torch.compiler.is_exporting():  # of a few numbers, and graphs know no search
            tokens = (columns[..., None] >= inner[:, None]).sum(-1)
        else:
            tokens = torch.searchsorted(inner, columns, right=True)
        tokens = torch.minimum(tokens, self.counts[:, None] - 1)
        return tokens.unflatten(1, values.shape[:-1]).movedim(0, -1).flatten(-2)

    def _decode(self, tokens: Tensor) -> Tensor:
        tokens = tokens.unflatten(-1, (self.horizon, len(self.moving)))  # (B, T, A)
        columns = tokens.movedim(-1, 0).flatten(1)  # (A, B * T)
        values = self.centres().gather(1, columns)
        return values.unflatten(1, tokens.shape[:-1]).movedim(0, -1).float()

    def limits(self) -> tuple[Tensor, Tensor]:
        """Return where the first bin of each dimension begins and its last one ends, (A,) each, float64."""
        return self.edges[:, 0], self.edges.gather(1, self.counts[:, None]).squeeze(1)

    def centres(self) -> Tensor:
        """Return the middle of each bin, (A, V), float64."""
        return (self.edges[:, 1:] + self.edges[:, :-1]) / 2

    def values(self) -> Tensor:
        return self.centres().repeat(self.horizon, 1).float()

    def boundaries(self) -> Tensor:
        return self.edges.repeat(self.horizon, 1)

    def _to_values(self, actions: Tensor) -> Tensor:
        return actions.flatten(-2)

    def _to_actions(self, values: Tensor) -> Tensor:
        return values.unflatten(-1, (self.horizon, len(self.moving)))

    def padding_mask(self, is_padding: Tensor) -> Tensor:
        return is_padding.repeat_interleave(len(self.moving), dim=-1)

    def periods(self) -> Tensor:
        periods = [d.high - d.low if d.wraps else math.inf for d in self.moving.dimensions]
        return torch.tensor(periods * self.horizon)

    def never_averaged(self) -> Tensor:
        return torch.tensor([d.kind == "gripper" for d in self.moving.dimensions] * self.horizon)

    def points(self) -> TokenPoints:
        """Return one group per dimension."""
        tolerances = torch.tensor([d.tolerance for d in self.moving.dimensions], dtype=torch.float64)
        edges, counts = self.edges.cpu() / tolerances[:, None], self.counts.cpu()
        low, high = (limit.cpu() / tolerances for limit in self.limits())
        wraps = torch.tensor([d.wraps for d in self.moving.dimensions])
        never = torch.full((len(self.moving),), math.inf, dtype=torch.float64)
        return TokenPoints(
            points=(self.centres().cpu() / tolerances[:, None])[..., None],
            groups=torch.arange(len(self.moving)).repeat(self.horizon),
            lattice=torch.arange(self.vocab_size, dtype=torch.float64).expand(len(self.moving), -1)[..., None],
            periods=torch.where(wraps, high - low, never),
            lattice_periods=torch.where(wraps, counts.double(), never),
            tolerances=tolerances,
            edges=edges,
            valid=None if (counts == self.vocab_size).all() else torch.arange(self.vocab_size) < counts[:, None],
            row=len(self.moving),
        )
