"""All distances between the tokens of a chunk. L positions, G groups of positions, V tokens."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class DistanceTable:
    """Distances between every two tokens of each position; positions that share them share one table.

    Attributes:
        distances: (G, V, V), symmetric, non-negative, zero on the diagonal.
        groups: (L,), which of the G tables a position uses; (1,) for any number of positions that share one.
        valid: (G, V), which tokens there are, where groups have fewer than V; None for all.
        power: What power of a length the distances are, e.g. 2 for squared ones.
    """

    distances: Tensor
    groups: Tensor
    valid: Tensor | None = None
    power: float = 1.0

    def __post_init__(self) -> None:
        d = self.distances
        if d.ndim != 3 or d.shape[1] != d.shape[2]:
            raise ValueError(f"distances must be (groups, V, V), got {tuple(d.shape)}")
        if not torch.isfinite(d).all() or (d < 0).any():
            raise ValueError("distances must be finite and not negative")
        if not torch.equal(d, d.mT) or d.diagonal(dim1=1, dim2=2).any():
            raise ValueError("distances must be symmetric with zeros on the diagonal")
        if self.groups.ndim != 1 or self.groups.min() < 0 or self.groups.max() >= len(d):
            raise ValueError(f"groups must be (L,) indices into {len(d)} tables")
        if self.valid is not None and (self.valid.shape != d.shape[:2] or not self.valid.any(dim=1).all()):
            raise ValueError(f"valid must be {tuple(d.shape[:2])} with a token in every group")

    @property
    def vocab_size(self) -> int:
        return self.distances.shape[-1]
