"""The policy: see, predict a distribution over the action tokens of a chunk, decode.

B batch, Q queries, L tokens of a chunk of T steps, n positions of one query, D width, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.distances.protocol import Distance
from dist2_robot.losses.output import LossOutput
from dist2_robot.models.chunk_transformer import ChunkTransformer
from dist2_robot.models.head import Head
from dist2_robot.models.observation_encoder import ObservationEncoder
from dist2_robot.policies.decoding import ORDERED_RULES, RULES, Choice, Meanings, Sampling, choose
from dist2_robot.policies.policy import Policy
from dist2_robot.tokenizers.tokenizer import Tokenizer
from dist2_robot.types import ActionChunk, Batch, Observation

# The logit of a token that a position lacks: as good as impossible, yet finite, for only those are checked.
IMPOSSIBLE = -1e4
GENERATIONS = ("parallel", "autoregressive")


class TokenPolicy(Policy):
    """Learned queries attend to the observation and become the tokens of a chunk.

    In parallel all of them at once. Autoregressive, one query after the other, each knowing the tokens before it: what
    is predicted together then fits together, at the price of one pass a query.

    Args:
        spec: What an action is.
        tokenizer: Cuts actions into tokens; owned by the policy, so its bins travel with the weights.
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
    """

    _impossible: Tensor | None

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
    ) -> None:
        if queries not in ("step", "token"):
            raise ValueError(f"queries must be 'step' or 'token', got '{queries}'")
        if generation not in GENERATIONS:
            raise ValueError(f"generation must be one of {list(GENERATIONS)}, got '{generation}'")
        group = tokenizer.tokens_per_query if queries == "step" else 1
        if head.places != group:
            raise ValueError(f"a query stands for {group} tokens, and the head for {head.places} positions a query")
        causal = generation == "autoregressive"
        sizes = {"width": width, "depth": depth, "attention_heads": attention_heads}
        count = tokenizer.tokens_per_chunk // group
        super().__init__(spec, tokenizer.horizon, ChunkTransformer(encoder, count, **sizes, causal=causal))
        self.tokenizer, self.head = tokenizer, head
        self.sizes, self.query_kind, self.generation = sizes, queries, generation
        self.sampling, self.distance = sampling or Sampling(), distance
        self.tokens_per_query = group
        # Chosen tokens become inputs of the next query: one embedding for each place within a query.
        self.embedding = nn.Embedding(group * tokenizer.vocab_size, width) if causal else None
        points = tokenizer.points()
        self._digits = points.digits
        impossible = None if points.valid is None else ~points.valid[points.groups]
        self.register_buffer("_impossible", impossible, persistent=False)  # (L, V)
        self._meanings: dict[tuple[str, bool], Meanings] = {}
        self.decoding = decoding

    @property
    def decoding(self) -> str:
        """The rule that turns a distribution into an action."""
        return self._decoding

    @decoding.setter
    def decoding(self, rule: str) -> None:
        if rule not in RULES:
            raise ValueError(f"decoding must be one of {sorted(RULES)}, got '{rule}'")
        if rule in ORDERED_RULES and not self.tokenizer.is_ordered:
            raise ValueError(f"decoding '{rule}' needs tokens that stand for numbers: use argmax, min_risk or sample")
        if rule == "min_risk" and self.distance is None:
            raise ValueError("decoding 'min_risk' needs the distance whose expectation it makes small")
        self._decoding = rule

    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds this policy anew, given the action spec."""
        return {
            "name": "token",
            "tokenizer": self.tokenizer.config(),
            "head": self.head.config(),
            **self.trunk.encoder.config(),
            **self.sizes,
            "queries": self.query_kind,
            "generation": self.generation,
            "decoding": self.decoding,
            "sampling": vars(self.sampling),
            "distance": None if self.distance is None else self.distance.config(),
        }

    def forward(self, observation: Observation, tokens: Tensor | None = None) -> Tensor:
        """Return logits (B, L, V) for an observation in its own units.

        Args:
            observation: What is seen.
            tokens: (B, L), the right tokens, which an autoregressive policy is given up to the one that it predicts.
        """
        inputs = None
        if self.embedding is not None:
            if tokens is None:
                raise ValueError("an autoregressive policy predicts given the tokens before: pass them, or call act")
            before = self._embed(tokens.unflatten(1, (-1, self.tokens_per_query)))[:, :-1]  # (B, Q - 1, D)
            inputs = nn.functional.pad(before, (0, 0, 1, 0))  # nothing was chosen before the first
        return self._logits(self.trunk(observation, inputs))

    def loss(self, loss: nn.Module, batch: Batch) -> LossOutput:
        """Return a loss over tokens of the predicted logits against the actions that were taken."""
        tokens = self.tokenizer.encode(batch.actions)
        return loss(
            self(batch.observation, tokens),
            tokens,
            target_values=self.tokenizer.to_values(batch.actions) if self.tokenizer.is_ordered else None,
            padding_mask=self.tokenizer.padding_mask(batch.is_padding),
        )

    @torch.no_grad()
    def act(self, observation: Observation) -> ActionChunk:
        """Return the next chunk of actions. Raises ValueError where an input or a logit is not finite."""
        if self.embedding is None:
            return self.decode(self(observation))
        cache, inputs, choices = self.trunk.begin(observation), None, []
        for query in range(len(self.trunk.queries)):
            features = self.trunk.extend(query, inputs, cache)[:, None]  # (B, 1, D)
            first = query * self.tokens_per_query
            choices.append(self._choose(self._logits(features, first), self.decoding, first))
            inputs = self._embed(choices[-1].tokens)
        return self._to_chunk(choices)

    def decode(self, logits: Tensor, decoding: str | None = None) -> ActionChunk:
        """Turn the logits of a whole chunk (B, L, V) into actions. Raises ValueError where a logit is not finite."""
        return self._to_chunk([self._choose(logits, decoding or self.decoding)])

    def _logits(self, features: Tensor, first: int = 0) -> Tensor:
        """Return logits (B, n, V) for the features (B, queries, D) of the positions from ``first`` on."""
        logits = self.head(features, first)
        if self._impossible is None:
            return logits
        return logits.masked_fill(self._impossible[first : first + logits.shape[1]], IMPOSSIBLE)

    def _embed(self, tokens: Tensor) -> Tensor:
        """Return the input (..., D) that the tokens (..., n) of one query are to the next."""
        assert self.embedding is not None
        place = torch.arange(self.tokens_per_query, device=tokens.device) * self.tokenizer.vocab_size
        return self.embedding(tokens + place).sum(-2)

    def _choose(self, logits: Tensor, rule: str, first: int = 0) -> Choice:
        if rule == "local_mean" and self._digits > 1:  # what is near a digit is not what is near the number
            rule = "mean"
        here = slice(first, first + logits.shape[1])
        return choose(logits, self._meaning(logits.device, rule).map(lambda x: x[here]), rule, self.sampling)

    def _meaning(self, device: torch.device, rule: str) -> Meanings:
        """Return what all positions mean, worked out once a device: the tokenizer does not change any more."""
        key = str(device), rule == "min_risk"
        if key not in self._meanings:
            tokenizer, points = self.tokenizer, self.tokenizer.points()
            distances = log_widths = None
            if rule == "min_risk" and self.distance is not None:
                table = points.distances(self.distance)
                distances = table.distances[table.groups]
            if points.edges is not None:
                widths = points.edges.diff(dim=1)
                log_widths = (widths / widths.mean(dim=1, keepdim=True)).log()
                log_widths = None if (log_widths.abs() < 1e-3).all() else log_widths[points.groups].float()
            values = tokenizer.values() if tokenizer.is_ordered else None
            valid = None if points.valid is None else points.valid[points.groups]
            found = Meanings(values, tokenizer.periods(), tokenizer.never_averaged(), log_widths, distances, valid)
            self._meanings[key] = found.map(lambda x: x.to(device))
        return self._meanings[key]

    def _to_chunk(self, choices: list[Choice]) -> ActionChunk:
        entropy = torch.cat([choice.entropy for choice in choices], dim=1)
        if not self.tokenizer.is_ordered:
            tokens = torch.cat([choice.tokens for choice in choices], dim=1)
            return ActionChunk(self.tokenizer.decode(tokens), tokens, entropy)
        values = torch.cat([choice.values for choice in choices if choice.values is not None], dim=1)
        actions = self.tokenizer.to_actions(values)
        return ActionChunk(actions, self.tokenizer.encode(actions), entropy)
