"""The policy: see, predict a distribution over every action token of a chunk at once, decode.

B batch, F observed features, Q queries, L tokens of a chunk of T steps, D width, V vocabulary.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.actions.normalizer import Normalizer
from dist2_robot.actions.spec import ActionSpec
from dist2_robot.models.head import Head
from dist2_robot.models.state_encoder import StateEncoder
from dist2_robot.models.transformer import Transformer
from dist2_robot.policies.decoding import RULES, decode_values
from dist2_robot.tokenizers.tokenizer import Tokenizer
from dist2_robot.types import ActionChunk, Observation


class TokenPolicy(nn.Module):
    """Parallel decoding: learned queries attend to the observation and to each other, and become tokens at once.

    Args:
        spec: What an action is.
        tokenizer: Cuts actions into tokens; owned by the policy, so its bins travel with the weights.
        head: (B, L, D) -> logits (B, L, V).
        observation_sizes: Feature name -> length of its vector.
        width: D.
        depth: Transformer blocks.
        attention_heads: Heads of each block.
        queries: ``step``, one a step of the chunk, whose tokens share what it attends to; ``token``, one a token.
        decoding: The rule that turns a distribution into an action, a name in `decoding.RULES`.
    """

    _values: Tensor
    _periods: Tensor
    _never_averaged: Tensor

    def __init__(
        self,
        spec: ActionSpec,
        tokenizer: Tokenizer,
        head: Head,
        observation_sizes: Mapping[str, int],
        *,
        width: int,
        depth: int,
        attention_heads: int,
        queries: str = "step",
        decoding: str = "local_mean",
    ) -> None:
        super().__init__()
        if decoding not in RULES:
            raise ValueError(f"decoding must be one of {sorted(RULES)}, got '{decoding}'")
        self.spec = spec
        self.tokenizer = tokenizer
        self.width, self.depth, self.attention_heads, self.query_kind = width, depth, attention_heads, queries
        self.decoding = decoding
        self.normalizer = Normalizer(observation_sizes)
        self.encoder = StateEncoder(observation_sizes, width)
        self.feature_embedding = nn.Parameter(torch.randn(len(observation_sizes), width) * 0.02)
        n_queries = self._count_queries(queries)
        self.queries = nn.Parameter(torch.randn(n_queries, width) * 0.02)  # (Q, D)
        self.tokens_per_query = tokenizer.tokens_per_chunk // n_queries
        self.split_query = (
            nn.Linear(width, self.tokens_per_query * width) if self.tokens_per_query > 1 else nn.Identity()
        )
        self.transformer = Transformer(width, depth, attention_heads)
        self.head = head
        self.register_buffer("_values", tokenizer.values(), persistent=False)  # (L, V)
        self.register_buffer("_periods", tokenizer.periods(), persistent=False)  # (L,)
        self.register_buffer("_never_averaged", tokenizer.never_averaged(), persistent=False)  # (L,)

    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds this policy anew, given the action spec."""
        return {
            "name": "token",
            "tokenizer": self.tokenizer.config(),
            "head": self.head.config(),
            "observation_sizes": self.observation_sizes,
            "width": self.width,
            "depth": self.depth,
            "attention_heads": self.attention_heads,
            "queries": self.query_kind,
            "decoding": self.decoding,
        }

    def _count_queries(self, kind: str) -> int:
        tokens, steps = self.tokenizer.tokens_per_chunk, self.tokenizer.horizon
        if kind not in ("step", "token"):
            raise ValueError(f"queries must be 'step' or 'token', got '{kind}'")
        if kind == "step" and tokens % steps:
            raise ValueError(f"queries='step' needs as many tokens in every step, got {tokens} for {steps} steps")
        return steps if kind == "step" else tokens

    @property
    def observation_sizes(self) -> dict[str, int]:
        """Feature name -> length of its vector."""
        return self.encoder.sizes

    @property
    def horizon(self) -> int:
        """Steps of a chunk, T."""
        return self.tokenizer.horizon

    def forward(self, observation: Observation) -> Tensor:
        """Return logits (B, L, V) for an observation in its own units."""
        seen = self.encoder(self.normalizer.normalize(observation)) + self.feature_embedding  # (B, F, D)
        queries = self.queries.expand(observation.batch_size, -1, -1)  # (B, Q, D)
        features = self.transformer(torch.cat([seen, queries], dim=1))[:, seen.shape[1] :]
        features = self.split_query(features).unflatten(-1, (self.tokens_per_query, -1)).flatten(1, 2)  # (B, L, D)
        return self.head(features)

    def reset(self) -> None:
        """Forget the episode. This policy remembers nothing."""

    def decode(self, logits: Tensor, decoding: str | None = None) -> ActionChunk:
        """Turn logits (B, L, V) into actions. Raises ValueError where a logit is not finite."""
        values, entropy = decode_values(
            logits, self._values, self._periods, self._never_averaged, decoding or self.decoding
        )
        actions = self.tokenizer.to_actions(values)
        return ActionChunk(actions, self.tokenizer.encode(actions), entropy)

    @torch.no_grad()
    def act(self, observation: Observation) -> ActionChunk:
        """Return the next chunk of actions. Raises ValueError where an input or a logit is not finite."""
        return self.decode(self(observation))
