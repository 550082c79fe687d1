"""A policy over the tokens of a tokenizer: what all of them share.

B batch, L tokens of a chunk of T steps, n positions that are predicted at once, V tokens.
"""

from abc import abstractmethod
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.distances.protocol import Distance
from dist2_robot.losses.output import LossOutput, judge, working_dtype
from dist2_robot.models.head import Head
from dist2_robot.policies.decoding import ORDERED_RULES, RULES, Choice, Meanings, Sampling, choose
from dist2_robot.policies.learner import Trunk
from dist2_robot.policies.policy import Policy
from dist2_robot.policies.ways import WayFinder, Ways
from dist2_robot.tokenizers.binned import BinnedTokenizer
from dist2_robot.tokenizers.tokenizer import Tokenizer
from dist2_robot.types import ActionChunk, Batch, Modes, Observation, Prediction, Prefix

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
        self.way_finder = WayFinder(points) if points.is_ordered and points.digits == 1 else None
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

    def choosing_config(self) -> dict[str, Any]:
        """Return the part of `config` about tokens and how they are chosen."""
        return {
            "tokenizer": self.tokenizer.config(),
            "generation": self.generation,
            "decoding": self.decoding,
            "sampling": vars(self.sampling),
            "distance": None if self.distance is None else self.distance.config(),
        }

    def forward(self, observation: Observation, tokens: Tensor | None = None) -> Tensor:
        """Return the logits (B, L, V) of `predict`."""
        return self.predict(observation, tokens).logits

    @abstractmethod
    def predict(self, observation: Observation, tokens: Tensor | None = None) -> Prediction:
        """Return what is believed of the whole chunk, for an observation in its own units.

        Args:
            observation: What is seen.
            tokens: (B, L), the right tokens, which an autoregressive policy is given up to the one that it predicts.
        """

    def loss(self, loss: nn.Module, batch: Batch) -> LossOutput:
        """Return a loss over tokens of the predicted logits against the actions that were taken."""
        tokens = self.tokenizer.encode(batch.actions)
        return judge(
            loss,
            self.training_prediction(batch.observation, tokens),
            tokens,
            target_values=self.tokenizer.to_values(batch.actions) if self.tokenizer.is_ordered else None,
            padding_mask=self.tokenizer.padding_mask(batch.is_given),
        )

    def count(self, batch: Batch) -> Tensor:
        """Return how many tokens the loss of a batch is a mean of: those that there are to predict."""
        return (~self.tokenizer.padding_mask(batch.is_given)).sum()

    def training_prediction(self, observation: Observation, tokens: Tensor) -> Prediction:
        """Return what the loss judges, given the right tokens (B, L); its logits are (B, L, V or more)."""
        return self.predict(observation, tokens)

    @torch.no_grad()
    def act(self, observation: Observation) -> ActionChunk:
        """Return the next chunk of actions, what is committed as it is.

        Raises:
            ValueError: An input or a logit is not finite, or there are more committed steps than ``max_prefix``.
        """
        self._check_prefix(observation)
        if self.generation == "parallel":
            return self._decode(self.predict(observation), self.decoding, observation.prefix)
        given = self._given_tokens(observation)
        state, choices, tokens, shares = self._begin(observation), [], None, None
        for first in range(0, self.tokenizer.tokens_per_chunk, self.tokens_per_query):
            prediction = self._predict(self._extend(state, first, tokens), first, shares)
            choice, ways = self._choose(prediction, self.decoding, first)
            choices.append(choice)
            if ways is not None and prediction.modes is not None:  # on, with the modes that still say the same
                shares = ways.within(prediction.modes).log_weights
            tokens = choice.tokens
            if given is not None:
                here = slice(first, first + tokens.shape[1])
                tokens = torch.where(given[1][:, here], given[0][:, here], tokens)
        return self._to_chunk(choices, observation.prefix)

    def decode(self, prediction: Prediction, decoding: str | None = None) -> ActionChunk:
        """Turn what is believed of a whole chunk into actions. Raises ValueError where a logit is not finite."""
        return self._decode(prediction, decoding or self.decoding)

    def _decode(self, prediction: Prediction, rule: str, prefix: Prefix | None = None) -> ActionChunk:
        choice, ways = self._choose(prediction, rule)
        chunk = self._to_chunk([choice], prefix)
        if ways is None or prediction.modes is None:
            return chunk
        return replace(
            chunk,
            ways=self._to_ways(ways, prediction.modes, prefix),
            way_weights=ways.weights,
            way_entropy=ways.entropy,
        )

    @abstractmethod
    def _begin(self, observation: Observation) -> Any:
        """Look at the observation once; `_extend` goes on from there."""

    @abstractmethod
    def _extend(self, state: Any, first: int, tokens: Tensor | None) -> Tensor:
        """Return the features (B, 1, D) of the query of the next positions.

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

    def _predict(self, features: Tensor, first: int = 0, log_weights: Tensor | None = None) -> Prediction:
        """Return what the head believes of the positions from ``first`` on, for features of their queries (B, Q, D).

        In full precision also where the trunk computes in half: differences of neighbouring tokens are small.

        Args:
            features: Of all queries of the chunk, or of one.
            first: The first position.
            log_weights: (B, K), of modes, where they are known; else from the features. One that knows the tokens
                before it must not tell the first query anything, so there they are from the first query alone.
        """
        with torch.autocast(features.device.type, enabled=False):
            features = features.to(working_dtype(features))
            if log_weights is None:
                log_weights = self.head.mode_weights(features if self.generation == "parallel" else features[:, :1])
            prediction = self.head.predict(features, first, log_weights)
        return replace(prediction, logits=self._possible(prediction.logits, first))

    def _possible(self, logits: Tensor, first: int) -> Tensor:
        """Return logits (B, n, V) without the tokens that positions lack."""
        if self._impossible is None:
            return logits
        return logits.masked_fill(self._impossible[first : first + logits.shape[1]], IMPOSSIBLE)

    def _choose(self, prediction: Prediction, rule: str, first: int = 0) -> tuple[Choice, Ways | None]:
        """Choose by a rule; where there are modes, within a bundle of them: the heaviest one, or by ``sample`` any."""
        logits, ways = prediction.logits, None
        if self.way_finder is not None and prediction.modes is not None:
            ways = self.way_finder.gather(prediction.modes, first, draw=rule == "sample")
            logits = self._possible(self.head.density(ways.within(prediction.modes), first), first)
            rule = "local_mean" if rule == "sample" else rule
        if rule == "local_mean" and self._digits > 1:  # what is near a digit is not what is near the number
            rule = "mean"
        return choose(logits, self._meaning(logits.device, rule, first, logits.shape[1]), rule, self.sampling), ways

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
        if prefix is not None:  # there is no doubt about what is decided
            actions, known = prefix.put_into(actions), prefix.is_known(self.horizon)
            entropy = entropy.masked_fill(self.tokenizer.padding_mask(known), 0.0)
            expected_error = None if expected_error is None else expected_error.masked_fill(known[..., None], 0.0)
        return ActionChunk(
            actions, self.tokenizer.encode(actions) if tokens is None else tokens, entropy, expected_error
        )

    def _to_ways(self, ways: Ways, modes: Modes, prefix: Prefix | None) -> Tensor:
        """Return the actions of all bundles, (B, K, T, A): their means, within the limits."""
        assert self.way_finder is not None
        means = self.way_finder.means(ways, modes)  # (B, K, L)
        actions = self.tokenizer.to_actions(self.way_finder.to_values(means).flatten(0, 1))
        actions = actions.unflatten(0, means.shape[:2])
        if prefix is None:
            return actions
        return torch.stack([prefix.put_into(way) for way in actions.unbind(1)], dim=1)
