"""Observation to features: learned queries, one a step or a token of the chunk, attend to what is seen.

B batch, F observed features, Q queries, D width.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dist2_robot.actions.normalizer import Normalizer
from dist2_robot.models.state_encoder import StateEncoder
from dist2_robot.models.transformer import KeyValueCache, Transformer
from dist2_robot.types import Observation


class ChunkTransformer(nn.Module):
    """What every policy of ours shares.

    In parallel all queries attend to each other. Made ``causal``, a query attends to what is seen and to the queries
    before it, each of which carries what was chosen before it (``inputs``): then `begin` and `extend` compute the
    same as `forward`, one query at a time.
    """

    mask: Tensor | None

    def __init__(
        self,
        observation_sizes: Mapping[str, int],
        queries: int,
        *,
        width: int,
        depth: int,
        attention_heads: int,
        causal: bool = False,
    ) -> None:
        """Args: observation_sizes: Feature name -> length of its vector. queries: Q. width: D.

        depth: Transformer blocks. attention_heads: Of each block. causal: Whether queries see earlier ones only.
        """
        super().__init__()
        self.normalizer = Normalizer(observation_sizes)
        self.encoder = StateEncoder(observation_sizes, width)
        seen = len(observation_sizes)
        self.feature_embedding = nn.Parameter(torch.randn(seen, width) * 0.02)
        self.queries = nn.Parameter(torch.randn(queries, width) * 0.02)  # (Q, D)
        self.transformer = Transformer(width, depth, attention_heads)
        mask = torch.ones(seen + queries, seen + queries, dtype=torch.bool).tril()
        mask[:seen, :seen] = True
        self.register_buffer("mask", mask if causal else None, persistent=False)

    def forward(self, observation: Observation, inputs: Tensor | None = None) -> Tensor:
        """Return features (B, Q, D) for an observation in its own units.

        Args:
            observation: What is seen.
            inputs: (B, Q, D), added to the queries.

        Raises:
            ValueError: A feature is missing, has another length or holds a number that is not finite.
        """
        seen = self._encode(observation)
        queries = self.queries.expand(len(seen), -1, -1)
        queries = queries if inputs is None else queries + inputs
        return self.transformer(torch.cat([seen, queries], dim=1), self.mask)[:, seen.shape[1] :]

    def begin(self, observation: Observation) -> list[KeyValueCache]:
        """Look at the observation once; `extend` goes on from there."""
        cache = self.transformer.new_cache()
        self.transformer(self._encode(observation), cache=cache)
        return cache

    def extend(self, query: int, inputs: Tensor | None, cache: list[KeyValueCache]) -> Tensor:
        """Return the features (B, D) of the next query, given its inputs (B, D) and all before it."""
        batch = len(cache[0].keys) if cache and cache[0].keys is not None else 1
        x = self.queries[query].expand(batch, 1, -1)
        return self.transformer(x if inputs is None else x + inputs[:, None], cache=cache)[:, 0]

    def _encode(self, observation: Observation) -> Tensor:
        return self.encoder(self.normalizer.normalize(observation)) + self.feature_embedding  # (B, F, D)
