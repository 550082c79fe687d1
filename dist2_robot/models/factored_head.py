"""Logits as products with token embeddings that are a function of where a token lies.

``logit(v) = log width(v) + h(features) . E(v) / sqrt(W) + b(v)``, where ``E(v), b(v) = MLP(Fourier features of v)``.
Tokens that lie close to each other have similar embeddings, so they share what is learned; nothing else is assumed, not
even an order: it serves codebooks, whose codes are points of several coordinates, as well as bins.

The Fourier features are ``sin`` and ``cos`` of ``2^j w v``, j < J, of each coordinate (Tancik 2020, arXiv 2006.10739).
Without a period the longest wave is twice the range, so that its ends differ; where values wrap all waves fit the
circle, so that its ends are the same place.

B batch, Q queries, R kinds of positions, n positions, W width, V tokens, D coordinates, J frequencies.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.models.head import Head
from dist2_robot.models.token_places import TokenPlaces


class FactoredHead(Head):
    """(B, Q, W) -> logits (B, n, V)."""

    waves: Tensor

    def __init__(
        self, width: int, points: TokenPoints, places: int = 1, frequencies: int = 6, hidden: int = 128
    ) -> None:
        """Args: width: W. points: Of tokens with an order or without. places: Positions of a query.

        hidden: Units between waves and embeddings.
        frequencies: J; the shortest wave is ``2^(2-J)`` times the range, or half of that where values wrap.
        """
        super().__init__(width, width, places)
        if frequencies < 1 or hidden < 1:
            raise ValueError(f"frequencies and hidden must be at least 1, got {frequencies} and {hidden}")
        if not points.points.shape[-1]:
            raise ValueError("a factored head needs tokens that lie somewhere, and these are symbols: use head=free")
        self.frequencies, self.hidden = frequencies, hidden
        self.tokens = TokenPlaces(points)
        waves = fourier_features(self.tokens.places.double(), frequencies, self.tokens.period.double())
        self.register_buffer("waves", waves.float(), persistent=False)  # (R, V, 2 D J)
        self.embed = nn.Sequential(nn.Linear(waves.shape[-1], hidden), nn.GELU(), nn.Linear(hidden, width + 1))

    def forward(self, features: Tensor, first: int = 0) -> Tensor:
        embedding, offset = self.embed(self.waves).split([features.shape[-1], 1], dim=-1)  # (R, V, W), (R, V, 1)
        offset = offset[..., 0] if self.tokens.log_width is None else offset[..., 0] + self.tokens.log_width
        query = self.describe(features) / math.sqrt(features.shape[-1])
        return self.tokens.logits(query, embedding, offset, first)

    def config(self) -> dict[str, Any]:
        """Return name and arguments for the registry."""
        return {"name": "factored", "frequencies": self.frequencies, "hidden": self.hidden}


def fourier_features(places: Tensor, frequencies: int, period: Tensor) -> Tensor:
    """Return sines and cosines (R, V, 2 D J) at places (R, V, D), which repeat after a period (R, 1)."""
    slowest = torch.where(period.isfinite(), 2 * math.pi / period, math.pi / 2)  # (R, 1)
    octaves = 2.0 ** torch.arange(frequencies, dtype=places.dtype)
    angles = (places * slowest[..., None])[..., None] * octaves  # (R, V, D, J)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(2)
