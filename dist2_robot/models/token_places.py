"""Where the tokens of each position lie, brought to [-1, 1]: what heads know that are built on what tokens mean.

G groups of positions, R of them whose tokens lie differently, L positions of a chunk, n of them, V tokens,
D coordinates of a token, M numbers of a vector.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints

_EQUAL_WIDTHS = 1e-3  # of a log width: less is rounding


class TokenPlaces(nn.Module):
    """Token points without their units; groups whose tokens lie alike share one row.

    The tokens of a group span [-1, 1] in the coordinate in which they are widest, and keep their shape in the others.
    All is derived from the tokenizer, so nothing of it is part of a checkpoint.

    Attributes:
        places: (R, V, D). Tokens that a group lacks lie at 0.
        period: (R, 1), after what length on this axis values repeat; infinite where they do not.
        spacing: (R, 1), the mean distance of neighbours, for ordered tokens.
        log_width: (R, V), log of the width of a token over the mean width; None where all are equal, or not ordered.
        rows: (L,), which row a position uses.
        wraps: Whether values repeat at any position.
    """

    places: Tensor
    period: Tensor
    spacing: Tensor
    log_width: Tensor | None
    rows: Tensor

    def __init__(self, points: TokenPoints) -> None:
        super().__init__()
        exists = torch.ones(points.points.shape[:2], dtype=torch.bool) if points.valid is None else points.valid
        middle, half = points.axis()
        places = (points.points - middle[:, None]) / half[:, None, None]
        places = places.masked_fill(~exists[..., None], 0.0)
        never = torch.full((len(places),), math.inf, dtype=places.dtype)
        period = ((never if points.periods is None else points.periods) / half)[:, None]  # (G, 1)
        spacing = 2 / (exists.sum(dim=1, keepdim=True) - 1).clamp(min=1)
        log_width = _log_widths(points, exists)

        key = torch.cat([places.flatten(1), period, torch.zeros(0) if log_width is None else log_width], dim=-1)
        first, rows = _distinct_rows(key)
        self.register_buffer("places", places[first].float(), persistent=False)
        self.register_buffer("period", period[first].float(), persistent=False)
        self.register_buffer("spacing", spacing[first].float(), persistent=False)
        self.register_buffer("log_width", None if log_width is None else log_width[first].float(), persistent=False)
        self.register_buffer("rows", rows[points.groups], persistent=False)
        self.wraps = bool(period.isfinite().any())  # known here, so that no step has to ask the device

    def at(self, table: Tensor, first: int, count: int) -> Tensor:
        """Return what (n, ...) a table (R, ...) says of some positions; (1, ...) where all share one row."""
        return table if len(table) == 1 else table[self.rows[first : first + count]]

    def logits(self, vectors: Tensor, table: Tensor, offset: Tensor | None, first: int) -> Tensor:
        """Return ``vectors . table + offset``, (B, n, V).

        Args:
            vectors: (B, n, M), of the positions from ``first`` on.
            table: (R, V, M).
            offset: (R, V).
            first: The first of the positions.
        """
        if len(table) == 1:  # one product of matrices for all positions
            return F.linear(vectors, table[0], None if offset is None else offset[0])
        count = vectors.shape[1]
        logits = torch.einsum("bnm,nvm->bnv", vectors, self.at(table, first, count))
        return logits if offset is None else logits + self.at(offset, first, count)


def _log_widths(points: TokenPoints, exists: Tensor) -> Tensor | None:
    """Return the log of widths over their mean, (G, V), 0 for tokens that do not exist; None where all are equal."""
    if points.edges is None:
        return None
    widths = points.edges.diff(dim=1).masked_fill(~exists, 0.0)
    mean = widths.sum(dim=1, keepdim=True) / exists.sum(dim=1, keepdim=True)
    log_width = torch.log(widths / mean).masked_fill(~exists, 0.0)
    return None if (log_width.abs() < _EQUAL_WIDTHS).all() else log_width


def _distinct_rows(table: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the R different rows of a table (G, ...) stand first, (R,), and which of them each row is, (G,)."""
    _, rows = torch.unique(table.round(decimals=6), dim=0, return_inverse=True)
    first = torch.stack([(rows == i).nonzero()[0, 0] for i in range(int(rows.max()) + 1)])
    return first, rows
