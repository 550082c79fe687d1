"""One free logit per token: the usual way, which knows nothing of what the tokens mean."""

from typing import Any

from torch import Tensor

from dist2_robot.distances.points import TokenPoints
from dist2_robot.models.head import Head


class FreeHead(Head):
    """A linear layer: (B, Q, D) -> logits (B, n, V)."""

    def __init__(self, width: int, points: TokenPoints, places: int = 1) -> None:
        """Args: width: D. points: Of which only the number of tokens matters here. places: P."""
        super().__init__(width, points.vocab_size, places)

    def forward(self, features: Tensor, first: int = 0) -> Tensor:
        return self.describe(features)

    def config(self) -> dict[str, Any]:
        """Return name and arguments for the registry."""
        return {"name": "free"}
