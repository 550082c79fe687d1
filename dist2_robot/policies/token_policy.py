"""The policy of ours: a transformer sees, a head predicts a distribution over the action tokens of a chunk.

B batch, Q queries, L tokens of a chunk, n positions of one query, D width, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.distances.protocol import Distance
from dist2_robot.models.chunk_transformer import ChunkTransformer
from dist2_robot.models.head import Head
from dist2_robot.models.observation_encoder import ObservationEncoder
from dist2_robot.models.prefix_encoder import PrefixEncoder
from dist2_robot.models.transformer import KeyValueCache
from dist2_robot.policies.decoding import Sampling
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.tokenizers.tokenizer import Tokenizer
from dist2_robot.types import Observation, Prediction


class TokenPolicy(DiscretePolicy):
    """Learned queries attend to the observation and become the tokens of a chunk.

    Args:
        spec: What an action is.
        tokenizer: Cuts actions into tokens.
        head: (B, queries, D) -> logits (B, n, V).
        encoder: Makes tokens of what is seen and told, of width D.
        width: D.
        depth: Transformer blocks.
        attention_heads: Heads of each block.
        queries: ``step``, one a step of the chunk, whose tokens share what it attends to; ``token``, one a token.
        generation: ``parallel`` or ``autoregressive``.
        decoding: The rule that turns a distribution into an action, a name in `decoding.RULES`.
        sampling: How the rule ``sample`` draws.
        distance: What the rule ``min_risk`` makes small; None where it is not used.
        max_prefix: How many committed steps of a chunk it can be given.
    """

    trunk: ChunkTransformer

    def __init__(
        self,
        spec: ActionSpec,
        tokenizer: Tokenizer,
        head: Head,
        encoder: ObservationEncoder,
        *,
        width: int,
        depth: int,
        attention_heads: int,
        queries: str = "step",
        generation: str = "parallel",
        decoding: str = "local_mean",
        sampling: Sampling | None = None,
        distance: Distance | None = None,
        max_prefix: int = 0,
    ) -> None:
        if queries not in ("step", "token"):
            raise ValueError(f"queries must be 'step' or 'token', got '{queries}'")
        group = tokenizer.tokens_per_query if queries == "step" else 1
        if head.places != group:
            raise ValueError(f"a query stands for {group} tokens, and the head for {head.places} positions a query")
        causal = generation == "autoregressive"
        sizes = {"width": width, "depth": depth, "attention_heads": attention_heads}
        count = tokenizer.tokens_per_chunk // group
        prefix = PrefixEncoder(spec, width, max_prefix) if max_prefix > 0 else None
        super().__init__(
            tokenizer,
            ChunkTransformer(encoder, count, **sizes, causal=causal, prefix=prefix),
            generation=generation,
            tokens_per_query=group,
            decoding=decoding,
            sampling=sampling,
            distance=distance,
            max_prefix=max_prefix,
        )
        self.head, self.sizes, self.query_kind = head, sizes, queries
        # Chosen tokens become inputs of the next query: one embedding for each place within a query.
        self.embedding = nn.Embedding(group * tokenizer.vocab_size, width) if causal else None

    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds this policy anew, given the action spec."""
        return {
            "name": "token",
            "head": self.head.config(),
            **self.trunk.encoder.config(),
            **self.sizes,
            "queries": self.query_kind,
            "max_prefix": self.max_prefix,
            **self.choosing_config(),
        }

    def predict(self, observation: Observation, tokens: Tensor | None = None) -> Prediction:
        inputs = None
        if self.embedding is not None:
            if tokens is None:
                raise ValueError("an autoregressive policy predicts given the tokens before: pass them, or call act")
            before = self._embed(tokens.unflatten(1, (-1, self.tokens_per_query)))[:, :-1]  # (B, Q - 1, D)
            inputs = nn.functional.pad(before, (0, 0, 1, 0))  # nothing was chosen before the first
        return self._predict(self.trunk(observation, inputs))

    def _begin(self, observation: Observation) -> list[KeyValueCache]:
        return self.trunk.begin(observation)

    def _extend(self, state: list[KeyValueCache], first: int, tokens: Tensor | None) -> Tensor:
        inputs = None if tokens is None else self._embed(tokens)
        return self.trunk.extend(first // self.tokens_per_query, inputs, state)[:, None]

    def _embed(self, tokens: Tensor) -> Tensor:
        """Return the input (..., D) that the tokens (..., n) of one query are to the next."""
        assert self.embedding is not None
        place = torch.arange(self.tokens_per_query, device=tokens.device) * self.tokenizer.vocab_size
        return self.embedding(tokens + place).sum(-2)
