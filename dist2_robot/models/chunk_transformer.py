"""Observation to features: learned queries, one a step or a token of the chunk, attend to what is seen.

B batch, F tokens of what is observed, Q queries, D width.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.models.observation_encoder import ObservationEncoder
from dist2_robot.models.prefix_encoder import PrefixEncoder
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
        encoder: ObservationEncoder,
        queries: int,
        *,
        width: int,
        depth: int,
        attention_heads: int,
        causal: bool = False,
        prefix: PrefixEncoder | None = None,
    ) -> None:
        """Args: encoder: Makes tokens of an observation, of the same width. queries: Q. width: D.

        depth: Transformer blocks. attention_heads: Of each block. causal: Whether queries see earlier ones only.
        prefix: Makes more such tokens of what is already decided of the chunk; None where nothing ever is.
        """
        super().__init__()
        self.encoder, self.prefix = encoder, prefix
        seen = encoder.tokens + (0 if prefix is None else prefix.steps)
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
            ValueError: The observation is not what the encoder was made for.
        """
        seen = self._see(observation)
        queries = self.queries.expand(len(seen), -1, -1)
        queries = queries if inputs is None else queries + inputs
        return self.transformer(torch.cat([seen, queries], dim=1), self.mask)[:, seen.shape[1] :]

    def compile(self, *arguments: Any, **keywords: Any) -> None:
        """Let torch compile the transformer alone: the checks of what comes in would break the graph."""
        self.transformer.compile(*arguments, **keywords)

    @property
    def blocks(self) -> Iterable[nn.Module]:
        """What it computes one after the other."""
        return self.transformer.blocks

    def begin(self, observation: Observation) -> list[KeyValueCache]:
        """Look at the observation once; `extend` goes on from there."""
        cache = self.transformer.new_cache()
        self.transformer(self._see(observation), cache=cache)
        return cache

    def extend(self, query: int, inputs: Tensor | None, cache: list[KeyValueCache]) -> Tensor:
        """Return the features (B, D) of the next query, given its inputs (B, D) and all before it."""
        batch = len(cache[0].keys) if cache and cache[0].keys is not None else 1
        x = self.queries[query].expand(batch, 1, -1)
        return self.transformer(x if inputs is None else x + inputs[:, None], cache=cache)[:, 0]

    def _see(self, observation: Observation) -> Tensor:
        """Return the tokens (B, F, D) of what is seen, and of what is decided."""
        seen = self.encoder(observation)
        if self.prefix is None:
            return seen
        return torch.cat([seen, self.prefix(observation.prefix, len(seen))], dim=1)
