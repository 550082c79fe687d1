"""Expected distances from every token. B batch, n positions, G groups that share distances, m of a group, V tokens."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RiskTables:
    """One table of distances a group, however many positions use it.

    Attributes:
        tables: (G, V, V).
        members: (G, m), the positions of each group; short groups are filled up with one of theirs.
        order: (n,), where each position is found among all members.
    """

    tables: Tensor
    members: Tensor
    order: Tensor

    @classmethod
    def of(cls, distances: Tensor, groups: Tensor) -> "RiskTables":
        """Args: distances: (all G, V, V). groups: (n,), which of them each position uses."""
        present = groups.unique()
        first, count = int(present[0]), len(present)
        in_a_row = count == int(present[-1]) - first + 1
        tables = distances[first : first + count] if in_a_row else distances[present]  # the first is no copy
        positions = [(groups == group).nonzero()[:, 0] for group in present]
        most = max(map(len, positions))
        members = torch.stack([torch.cat([x, x[:1].expand(most - len(x))]) for x in positions])
        order = torch.empty_like(groups)
        for row, x in enumerate(positions):
            order[x] = row * most + torch.arange(len(x), device=groups.device)
        return cls(tables, members, order)

    def risk(self, probabilities: Tensor) -> Tensor:
        """Return the expected distance (B, n, V) of each token from what probabilities (B, n, V) believe."""
        by_group = probabilities.index_select(1, self.members.flatten()).unflatten(1, self.members.shape)
        risk = torch.einsum("bgmv,gvw->bgmw", by_group, self.tables.to(probabilities))
        return risk.flatten(1, 2).index_select(1, self.order)
