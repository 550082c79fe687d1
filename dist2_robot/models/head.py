"""The contract of a head.

B batch, Q queries, P places of one, n = Q P positions of the L of a chunk, D width, V tokens.
"""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from dist2_robot.types import Modes, Prediction


class Head(nn.Module, ABC):
    """Maps features to logits over the tokens of each position.

    Constructors take ``width`` (D), ``points``, a `TokenPoints`: what the tokens of each position mean, and ``places``
    (P): how many positions one query stands for, each of which has weights of its own.
    """

    def __init__(self, width: int, numbers: int, places: int) -> None:
        """Args: width: D. numbers: How many each position is described by. places: P."""
        super().__init__()
        self.places = places
        self.linear = nn.Linear(width, places * numbers)

    def describe(self, features: Tensor) -> Tensor:
        """Return numbers (B, n, numbers) for features (B, Q, D)."""
        return self.linear(features).unflatten(-1, (self.places, -1)).flatten(1, 2)

    def predict(self, features: Tensor, first: int = 0, log_weights: Tensor | None = None) -> Prediction:
        """Return what is believed of the positions ``first`` to ``first + n``, for features (B, Q, D).

        Args:
            features: Of the queries of these positions.
            first: The first of the positions.
            log_weights: (B, K), those of the modes of the chunk, from `mode_weights`; None for a head without modes.
        """
        return Prediction(self(features, first))

    def mode_weights(self, features: Tensor) -> Tensor | None:
        """Return the log weights (B, K) of the modes of a chunk, for features (B, Q, D); None for a head without."""
        return None

    def density(self, modes: Modes, first: int = 0) -> Tensor:
        """Return the logits (B, n, V) that modes make, of the positions from ``first`` on."""
        raise NotImplementedError(f"{type(self).__name__} has no modes")

    @abstractmethod
    def forward(self, features: Tensor, first: int = 0) -> Tensor:
        """Return logits (B, n, V) for features (B, Q, D) of the positions ``first`` to ``first + n``."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return name and arguments for the registry."""
