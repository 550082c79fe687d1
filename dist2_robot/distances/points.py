"""Where tokens lie in the space of actions: all that distances, losses and heads need to know of a tokenizer.

G groups of positions that share their tokens' meaning, V tokens, D coordinates, L positions of a chunk.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dist2_robot.distances.distance_error import DistanceError
from dist2_robot.distances.protocol import Distance
from dist2_robot.distances.table import DistanceTable


@dataclass(frozen=True)
class TokenPoints:
    """Tokens as points, positions that share them in one group.

    Attributes:
        points: (G, V, D), float64, in units of tolerance. For ordered tokens D is 1 and the values increase along V;
            for symbols that are nowhere, so that there is no distance between them, D is 0.
        groups: (L,), which group a position belongs to.
        lattice: (G, V, E), float64, the same tokens counted in steps, neighbours 1 apart; None for a codebook.
        periods: (G,), the length after which values repeat, in tolerances; infinite where they do not.
        lattice_periods: (G,), the same in steps.
        tolerances: (G,), what one unit of `points` is in units of the action; only for ordered tokens.
        edges: (G, V + 1), where ordered tokens begin and end, in tolerances; only for ordered tokens.
        valid: (G, V), which tokens there are, where groups have fewer than V; None for all.
        digits: How many consecutive positions write one number, most significant first.
        row: How many consecutive positions belong together, as the dimensions of one step.
    """

    points: Tensor
    groups: Tensor
    lattice: Tensor | None = None
    periods: Tensor | None = None
    lattice_periods: Tensor | None = None
    tolerances: Tensor | None = None
    edges: Tensor | None = None
    valid: Tensor | None = None
    digits: int = 1
    row: int = 1

    @classmethod
    def of_values(cls, values: Tensor, period: float | None = None) -> "TokenPoints":
        """Return tokens that mean the values (L, V), or (V,) for any number of positions, in units of tolerance.

        Token boundaries are half-way between neighbours.

        Raises:
            ValueError: The values do not increase along V.
        """
        values = values.double().reshape(-1, values.shape[-1])  # (G, V)
        if values.shape[1] < 2 or not (values.diff(dim=1) > 0).all():
            raise ValueError("token values must increase at every position")
        inner = (values[:, 1:] + values[:, :-1]) / 2
        edges = torch.cat([2 * values[:, :1] - inner[:, :1], inner, 2 * values[:, -1:] - inner[:, -1:]], dim=1)
        count, vocab_size = values.shape
        return cls(
            points=values[..., None],
            groups=torch.arange(count),
            lattice=torch.arange(vocab_size, dtype=torch.float64).expand(count, -1)[..., None],
            periods=torch.full((count,), math.inf if period is None else period, dtype=torch.float64),
            lattice_periods=torch.full((count,), math.inf if period is None else vocab_size, dtype=torch.float64),
            tolerances=torch.ones(count, dtype=torch.float64),
            edges=edges,
        )

    @property
    def vocab_size(self) -> int:
        """V."""
        return self.points.shape[1]

    @property
    def is_ordered(self) -> bool:
        """Whether each token stands for an interval of one number."""
        return self.edges is not None

    def axis(self) -> tuple[Tensor, Tensor]:
        """Return middle (G, D) and half length (G,) of the axis on which the tokens of a group span [-1, 1].

        That is so in the coordinate in which they are widest; in the others they keep their shape.
        """
        exists = torch.ones(self.points.shape[:2], dtype=torch.bool) if self.valid is None else self.valid
        lacks = ~exists[..., None].to(self.points.device)  # (G, V, 1)
        low, high = self.points.masked_fill(lacks, math.inf).amin(1), self.points.masked_fill(lacks, -math.inf).amax(1)
        half = ((high - low) / 2).amax(dim=1)
        return (low + high) / 2, half.masked_fill(half == 0, 1.0)  # a group of one token

    def distances(self, distance: Distance) -> DistanceTable:
        """Return how far apart the tokens of each group are.

        Raises:
            DistanceError: The tokens are mere symbols (D = 0), or the distance is measured in bins, and these tokens
                are none, or it cannot be taken between them.
        """
        points, periods = self.points, self.periods
        if not points.shape[-1]:
            raise DistanceError(
                "these tokens are symbols with no distance between them: use tokenizer=dct, which keeps the metric"
            )
        if distance.unit == "bins":
            if self.lattice is None:
                raise DistanceError("these tokens have no bins to count: use a distance with unit=tolerance")
            points, periods = self.lattice, self.lattice_periods
        lengths = [math.inf] * len(points) if periods is None else periods.tolist()
        table = distance.tables(points, [None if math.isinf(q) else q for q in lengths], self.valid)
        table = (table + table.mT) / 2  # wrapped differences are symmetric up to rounding only
        table.diagonal(dim1=1, dim2=2).zero_()
        return DistanceTable(table.float(), self.groups, self.valid, distance.power)

    def to(self, device: torch.device | str) -> "TokenPoints":
        """Return the same points on another device."""
        moved = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return replace(self, **moved)
