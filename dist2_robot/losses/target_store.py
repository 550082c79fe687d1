"""Target distributions of all true tokens, and what a loss does with them.

N positions, G groups of positions, V tokens, R = G * V true tokens, k tokens that are kept of a target. The number of a
row is ``group * V + token``.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from dist2_robot.distances.table import DistanceTable
from dist2_robot.distances.target import nearest, soft_targets
from dist2_robot.distances.temperature import Temperature

_UNSEEN = 1e-9  # of the mass of a target: far less than 32 bits can tell
_NARROW = 12  # a target on a twelfth of the tokens or fewer takes less time as a list of them


class TargetStore(nn.Module, ABC):
    """Attributes: vocab_size: V. negative_entropy: (R,), ``sum p_d log p_d``. groups: (L,), or (1,) for any length."""

    negative_entropy: Tensor
    groups: Tensor

    def __init__(self, vocab_size: int, negative_entropy: Tensor, groups: Tensor) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.register_buffer("negative_entropy", negative_entropy, persistent=False)
        self.register_buffer("groups", groups, persistent=False)

    def number(self, tokens: Tensor) -> Tensor:
        """Return the row numbers (..., L) of true tokens (..., L)."""
        return self.groups.expand_as(tokens) * self.vocab_size + tokens

    @abstractmethod
    def target(self, rows: Tensor) -> Tensor:
        """Return whole distributions (..., V) for row numbers (...)."""

    @abstractmethod
    def rows(self, rows: Tensor, dtype: torch.dtype, scratch: Tensor | None = None) -> "Targets":
        """Return the distributions of row numbers (N,), to work with; in `scratch` where there is one."""

    def scratch(self, count: int, dtype: torch.dtype) -> Tensor | None:
        """Return room for `rows` of up to so many numbers, used over and over: it stays in the cache. None: no need."""
        return None


class Targets(ABC):
    """The target distributions of N positions."""

    @abstractmethod
    def expect(self, logits: Tensor) -> Tensor:
        """Return ``sum_v p_d(v) logits_v``, (N,), for logits (N, V)."""

    def expect_(self, logits: Tensor) -> Tensor:
        """Return the same, and spoil these targets."""
        return self.expect(logits)

    @abstractmethod
    def subtract_from(self, gradient: Tensor, share: float | Tensor) -> None:
        """Take ``share * p_d`` off a gradient (N, V), in place; share is a number or (N, 1)."""

    @abstractmethod
    def taken_from(self, gradient: Tensor, share: Tensor) -> Tensor:
        """Return ``gradient - share * p_d``, (N, V), share being (N, 1) or (1, 1)."""


class DenseTargets(TargetStore):
    """All V entries of each target."""

    table: Tensor

    def __init__(self, targets: Tensor, groups: Tensor) -> None:
        """Args: targets: (G, V, V). groups: (L,), which of the G a position has."""
        table = targets.flatten(0, 1)
        negative_entropy = torch.cat([torch.xlogy(part, part).sum(-1) for part in table.split(256)])
        super().__init__(targets.shape[-1], negative_entropy, groups)
        self.register_buffer("table", table, persistent=False)  # (R, V)

    def target(self, rows: Tensor) -> Tensor:
        return self.table[rows]

    def rows(self, rows: Tensor, dtype: torch.dtype, scratch: Tensor | None = None) -> "Targets":
        # Not `table[rows]`, which takes five times as long.
        if scratch is None:
            return _DenseRows(self.table.index_select(0, rows).to(dtype))
        return _DenseRows(torch.index_select(self.table, 0, rows, out=scratch[: len(rows)]))

    def scratch(self, count: int, dtype: torch.dtype) -> Tensor | None:
        return self.table.new_empty(count, self.vocab_size) if dtype == self.table.dtype else None


class _DenseRows(Targets):
    def __init__(self, shares: Tensor) -> None:
        self.shares = shares  # (N, V)

    def expect(self, logits: Tensor) -> Tensor:
        return (self.shares * logits).sum(-1)

    def expect_(self, logits: Tensor) -> Tensor:
        return self.shares.mul_(logits).sum(-1)

    def subtract_from(self, gradient: Tensor, share: float | Tensor) -> None:
        if isinstance(share, Tensor):
            gradient.addcmul_(self.shares, share, value=-1.0)
        else:
            gradient.sub_(self.shares, alpha=share)

    def taken_from(self, gradient: Tensor, share: Tensor) -> Tensor:
        return gradient - share * self.shares


class SparseTargets(TargetStore):
    """The k largest entries of each target, which were made to add up to 1: for large codebooks."""

    tokens: Tensor
    shares: Tensor

    def __init__(self, tokens: Tensor, shares: Tensor, groups: Tensor) -> None:
        """Args: tokens: (G, V, k), token numbers. shares: (G, V, k). groups: (L,), which of the G a position has."""
        rows = shares.flatten(0, 1)
        super().__init__(tokens.shape[1], torch.xlogy(rows, rows).sum(-1), groups)
        self.register_buffer("tokens", tokens.flatten(0, 1), persistent=False)  # (R, k)
        self.register_buffer("shares", rows, persistent=False)

    def target(self, rows: Tensor) -> Tensor:
        whole = self.shares.new_zeros(*rows.shape, self.vocab_size)
        return whole.scatter_(-1, self.tokens[rows], self.shares[rows])

    def rows(self, rows: Tensor, dtype: torch.dtype, scratch: Tensor | None = None) -> "Targets":
        return _SparseRows(self.tokens.index_select(0, rows), self.shares.index_select(0, rows).to(dtype))


class _SparseRows(Targets):
    def __init__(self, tokens: Tensor, shares: Tensor) -> None:
        self.tokens, self.shares = tokens, shares  # (N, k)

    def expect(self, logits: Tensor) -> Tensor:
        return (self.shares * logits.gather(-1, self.tokens)).sum(-1)

    def subtract_from(self, gradient: Tensor, share: float | Tensor) -> None:
        gradient.scatter_add_(-1, self.tokens, -share * self.shares)

    def taken_from(self, gradient: Tensor, share: Tensor) -> Tensor:
        return gradient.scatter_add(-1, self.tokens, -share * self.shares)


def store_targets(
    distances: DistanceTable, tau: float | Temperature, contrast: float, neighbours: int | None
) -> TargetStore:
    """Return the targets of all true tokens; narrow ones without their far ends, which is faster and the same.

    Args:
        distances: How far apart tokens are.
        tau: Temperature.
        contrast: See `target_rows`.
        neighbours: Keep so many tokens of each target; None: all.

    Raises:
        ValueError: There are fewer tokens than neighbours.
    """
    if neighbours is not None:
        check_neighbours(neighbours, distances.vocab_size)
    targets = soft_targets(distances, tau, contrast, torch.float32)
    if neighbours is None:
        far = targets <= _UNSEEN / distances.vocab_size
        held = distances.vocab_size - int(far.sum(-1).min())
        neighbours = held if held * _NARROW <= distances.vocab_size else None
    if neighbours is None:
        return DenseTargets(targets, distances.groups)
    return SparseTargets(*nearest(targets, neighbours), distances.groups)


def check_neighbours(neighbours: int, vocab_size: int) -> None:
    """Raise ValueError unless there are so many tokens."""
    if not 1 <= neighbours <= vocab_size:
        raise ValueError(f"neighbours must be 1 to {vocab_size}, the number of tokens, got {neighbours}")
