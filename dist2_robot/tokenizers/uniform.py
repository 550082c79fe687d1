"""Equal bins between the limits of each action dimension, or in the part of it that demonstrations use."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.tokenizers.binned import BinnedTokenizer

Span = Literal["limits", "data"]
MARGIN = 0.1  # of the used part, on either side of it, and a tolerance at least


class UniformTokenizer(BinnedTokenizer):
    """Bin i of dimension a spans ``low_a + (i, i + 1) * (high_a - low_a) / V``.

    With ``span="data"`` low and high are, once fitted, those of the recorded actions with a margin of 10 %, within the
    limits. An arm's joints turn half round while a task needs a tenth of it: all bins, and all components of a mixture,
    are then where something happens, and nothing far from the demonstrations is ever asked for. Dimensions that wrap
    keep their circle.
    """

    def __init__(self, spec: ActionSpec, horizon: int, bins: int = 256, span: Span = "limits") -> None:
        """Args: spec: Limits and tolerances. horizon: Steps of a chunk. bins: Tokens of a dimension, V.

        span: ``limits`` of the spec, or ``data``.
        """
        if span not in get_args(Span):
            raise ValueError(f"span must be one of {get_args(Span)}, got {span!r}")
        super().__init__(spec, horizon, uniform_edges(spec, bins))
        self.span = span

    def _fit(self, actions: Tensor) -> None:
        """Take the range of chunks (N, T, A), column by column, for ``span="data"``."""
        if self.span == "limits":
            return
        if not len(actions):
            raise ValueError("there is no whole chunk to take the range of")
        columns = self.in_limits(actions.flatten(0, -2))
        least, most = columns.amin(dim=0), columns.amax(dim=0)
        tolerances = torch.tensor(
            [d.tolerance for d in self.moving.dimensions], dtype=torch.float64, device=least.device
        )
        margin = torch.maximum(MARGIN * (most - least), tolerances)
        low = torch.where(self._wraps, self._low, torch.maximum(least - margin, self._low))
        high = torch.where(self._wraps, self._high, torch.minimum(most + margin, self._high))
        self.set_edges(_equal_edges(low, high, self.vocab_size))

    def config(self) -> dict[str, Any]:
        return {"name": "uniform", "horizon": self.horizon, "bins": self.vocab_size, "span": self.span}


def uniform_edges(spec: ActionSpec, bins: int) -> Tensor:
    """Return equally spaced edges (A, bins + 1) from low to high, of the dimensions that move."""
    if bins < 2:
        raise ValueError(f"a tokenizer needs at least 2 bins, got {bins}")
    limits = torch.tensor([[d.low, d.high] for d in spec.moving.dimensions], dtype=torch.float64)
    return _equal_edges(limits[:, 0], limits[:, 1], bins)


def _equal_edges(low: Tensor, high: Tensor, bins: int) -> Tensor:
    share = torch.arange(bins + 1, dtype=torch.float64, device=low.device) / bins
    edges = low[:, None] + share * (high - low)[:, None]
    edges[:, -1] = high
    return edges
