"""A policy over the tokens of a tokenizer: what all of them share.

B batch, L tokens of a chunk of T steps, n positions that are predicted at once, V tokens.
"""

from abc import abstractmethod
from copy import copy
from typing import Any, Self

import torch
from torch import Tensor, nn

from dist2_robot.distances.protocol import Distance
from dist2_robot.losses.output import LossOutput, working_dtype
from dist2_robot.models.head import Head
from dist2_robot.policies.decoding import ORDERED_RULES, RULES, Choice, Meanings, Sampling, choose
from dist2_robot.policies.learner import Trunk
from dist2_robot.policies.policy import Policy
from dist2_robot.tokenizers.binned import BinnedTokenizer
from dist2_robot.tokenizers.tokenizer import Tokenizer
from dist2_robot.types import ActionChunk, Batch, Observation, Prefix

# The logit of a token that a position lacks: as good as impossible, yet finite, for only those are checked.
IMPOSSIBLE = -1e4
GENERATIONS = ("parallel", "autoregressive")


class DiscretePolicy(Policy):
    """Predicts a distribution over the tokens of each position, and chooses by a rule.

    In parallel all positions at once. Autoregressive some after the others, each knowing the tokens before it: what is
    predicted together then fits together, at the price of one pass for each of them.

    Args:
        tokenizer: Cuts actions into tokens; owned by the policy, so its bins travel with the weights.
        trunk: From an observation to features of the chunk.
        generation: ``parallel`` or ``autoregressive``.
        tokens_per_query: How many positions are predicted at once, n, where not all are.
        decoding: The rule that turns a distribution into an action, a name in `decoding.RULES`.
        sampling: How the rule ``sample`` draws.
        distance: What the rule ``min_risk`` makes small; None where it is not used.
        max_prefix: How many committed steps of a chunk it can be given.
    """

    head: Head
    _impossible: Tensor | None

    def __init__(
        self,
        tokenizer: Tokenizer,
        trunk: Trunk,
        *,
        generation: str,
        tokens_per_query: int,
        decoding: str,
        sampling: Sampling | None,
        distance: Distance | None,
        max_prefix: int = 0,
    ) -> None:
        if generation not in GENERATIONS:
            raise ValueError(f"generation must be one of {list(GENERATIONS)}, got '{generation}'")
        super().__init__(tokenizer.spec, tokenizer.horizon, trunk, max_prefix)
        self.tokenizer, self.generation, self.tokens_per_query = tokenizer, generation, tokens_per_query
        self.sampling, self.distance = sampling or Sampling(), distance
        points = tokenizer.points()
        self._digits = points.digits
        impossible = None if points.valid is None else ~points.valid[points.groups]
        self.register_buffer("_impossible", impossible, persistent=False)  # (L, V)
        self._meanings: dict[tuple[str, bool, int, int], Meanings] = {}
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

    def with_decoding(self, rule: str) -> Self:
        """Return this policy with another rule: its weights are the same tensors, and this one stays as it is.

        Raises:
            ValueError: There is no such rule, or it does not go with the tokens.
        """
        other = copy(self)
        other.decoding = rule
        return other

    def choosing_config(self) -> dict[str, Any]:
        """Return the part of `config` about tokens and how they are chosen."""
        return {
            "tokenizer": self.tokenizer.config(),
            "generation": self.generation,
            "decoding": self.decoding,
            "sampling": vars(self.sampling),
            "distance": None if self.distance is None else self.distance.config(),
        }

    @abstractmethod
    def forward(self, observation: Observation, tokens: Tensor | None = None) -> Tensor:
        """Return logits (B, L, V) for an observation in its own units.

        Args:
            observation: What is seen.
            tokens: (B, L), the right tokens, which an autoregressive policy is given up to the one that it predicts.
        """

    def loss(self, loss: nn.Module, batch: Batch) -> LossOutput:
        """Return a loss over tokens of the predicted logits against the actions that were taken."""
        tokens = self.tokenizer.encode(batch.actions)
        return loss(
            self.training_logits(batch.observation, tokens),
            tokens,
            target_values=self.tokenizer.to_values(batch.actions) if self.tokenizer.is_ordered else None,
            padding_mask=self.tokenizer.padding_mask(batch.is_given),
        )

    def count(self, batch: Batch) -> Tensor:
        """Return how many tokens the loss of a batch is a mean of: those that there are to predict."""
        return (~self.tokenizer.padding_mask(batch.is_given)).sum()

    def training_logits(self, observation: Observation, tokens: Tensor) -> Tensor:
        """Return the logits that the loss judges, (B, L, V or more), given the right tokens (B, L)."""
        return self(observation, tokens)

    @torch.no_grad()
    def act(self, observation: Observation) -> ActionChunk:
        """Return the next chunk of actions, what is committed as it is.

        Raises:
            ValueError: An input or a logit is not finite, or there are more committed steps than ``max_prefix``.
        """
        self._check_prefix(observation)
        if self.generation == "parallel":
            return self._to_chunk([self._choose(self(observation), self.decoding)], observation.prefix)
        given = self._given_tokens(observation)
        state, choices, tokens = self._begin(observation), [], None
        for first in range(0, self.tokenizer.tokens_per_chunk, self.tokens_per_query):
            choices.append(self._choose(self._extend(state, first, tokens), self.decoding, first))
            tokens = choices[-1].tokens
            if given is not None:
                here = slice(first, first + tokens.shape[1])
                tokens = torch.where(given[1][:, here], given[0][:, here], tokens)
        return self._to_chunk(choices, observation.prefix)

    def decode(self, logits: Tensor, decoding: str | None = None) -> ActionChunk:
        """Turn the logits of a whole chunk (B, L, V) into actions. Raises ValueError where a logit is not finite."""
        return self._to_chunk([self._choose(logits, decoding or self.decoding)])

    @abstractmethod
    def _begin(self, observation: Observation) -> Any:
        """Look at the observation once; `_extend` goes on from there."""

    @abstractmethod
    def _extend(self, state: Any, first: int, tokens: Tensor | None) -> Tensor:
        """Return the logits (B, n, V) of the next positions.

        Args:
            state: What `_begin` returned, and all calls before this one have added to.
            first: The first of the positions.
            tokens: (B, n), what was chosen at the positions just before; None at the first call.
        """

    def _given_tokens(self, observation: Observation) -> tuple[Tensor, Tensor] | None:
        """Return tokens (B, L) and which of them (B, L) are those of committed steps; None where none are."""
        if observation.prefix is None:
            return None
        is_given = self.tokenizer.padding_mask(observation.prefix.is_known(self.horizon))
        if not torch.compiler.is_exporting() and not is_given.any():
            return None
        low = torch.tensor([d.low for d in self.spec.dimensions], device=is_given.device)
        chunk = observation.prefix.put_into(low.expand(len(is_given), self.horizon, -1))
        return self.tokenizer.encode(chunk), is_given

    def _logits(self, features: Tensor, first: int = 0) -> Tensor:
        """Return logits (B, n, V) for features of the positions from ``first`` on, without tokens that those lack.

        In full precision also where the trunk computes in half: differences of neighbouring tokens are small.
        """
        with torch.autocast(features.device.type, enabled=False):
            logits = self.head(features.to(working_dtype(features)), first)
        if self._impossible is None:
            return logits
        return logits.masked_fill(self._impossible[first : first + logits.shape[1]], IMPOSSIBLE)

    def _choose(self, logits: Tensor, rule: str, first: int = 0) -> Choice:
        if rule == "local_mean" and self._digits > 1:  # what is near a digit is not what is near the number
            rule = "mean"
        return choose(logits, self._meaning(logits.device, rule, first, logits.shape[1]), rule, self.sampling)

    def _meaning(self, device: torch.device, rule: str, first: int, count: int) -> Meanings:
        """Return what some positions mean, worked out once a device: the tokenizer does not change any more."""
        key = str(device), rule == "min_risk", first, count
        if key not in self._meanings:
            length = self.tokenizer.tokens_per_chunk
            if count == length:
                self._meanings[key] = self._find_meaning(rule).to(device)
            else:
                self._meanings[key] = self._meaning(device, rule, 0, length).at(slice(first, first + count))
        return self._meanings[key]

    def _find_meaning(self, rule: str) -> Meanings:
        """Return what all positions mean."""
        tokenizer, points = self.tokenizer, self.tokenizer.points()
        distances = log_widths = None
        if rule == "min_risk" and self.distance is not None:
            distances = points.distances(self.distance).distances
        if points.edges is not None:
            widths = points.edges.diff(dim=1)
            log_widths = (widths / widths.mean(dim=1, keepdim=True)).log()
            log_widths = None if (log_widths.abs() < 1e-3).all() else log_widths[points.groups].float()
        boundaries = tokenizer.boundaries()
        return Meanings(
            tokenizer.values().cpu() if tokenizer.is_ordered else None,
            tokenizer.periods(),
            tokenizer.never_averaged(),
            log_widths,
            distances,
            points.groups,
            None if points.valid is None else points.valid[points.groups],
            None if boundaries is None else boundaries.cpu(),
        )

    def _to_chunk(self, choices: list[Choice], prefix: Prefix | None = None) -> ActionChunk:
        entropy = torch.cat([choice.entropy for choice in choices], dim=1)
        expected_error = None
        if self.tokenizer.is_ordered:
            values = torch.cat([choice.values for choice in choices if choice.values is not None], dim=1)
            actions, tokens = self.tokenizer.to_actions(values), None
            if isinstance(self.tokenizer, BinnedTokenizer):  # of others a token is no number of one step
                errors = [choice.expected_error for choice in choices if choice.expected_error is not None]
                expected_error = torch.cat(errors, dim=1).unflatten(1, (self.horizon, -1))
                expected_error = self.tokenizer.columns.put_back(expected_error, 0.0)  # constants are sent as they are
        else:
            tokens = torch.cat([choice.tokens for choice in choices], dim=1)
            actions = self.tokenizer.decode(tokens)
        if prefix is not None:  # nothing is chosen there
            actions, known = prefix.put_into(actions), prefix.is_known(self.horizon)
            entropy = entropy.masked_fill(self.tokenizer.padding_mask(known), 0.0)
            expected_error = None if expected_error is None else expected_error.masked_fill(known[..., None], 0.0)
        return ActionChunk(
            actions, self.tokenizer.encode(actions) if tokens is None else tokens, entropy, expected_error
        )
