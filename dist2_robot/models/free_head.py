"""One free logit per token: the usual way, which knows nothing of what the tokens mean."""

from typing import Any

from torch import Tensor, nn

from dist2_robot.models.head import Head


class FreeHead(Head):
    """A linear layer: (B, L, D) -> logits (B, L, V)."""

    def __init__(self, width: int, values: Tensor) -> None:
        """Args: width: D. values: (L, V), of which only V matters here."""
        super().__init__()
        self.linear = nn.Linear(width, values.shape[-1])

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features)

    def config(self) -> dict[str, Any]:
        """Return name and arguments for the registry."""
        return {"name": "free"}
