"""A language model whose vocabulary has grown by the action tokens: the paper's own form of the policy.

B batch, L tokens of a chunk, D width of the model, V action tokens, W words.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.distances.protocol import Distance
from dist2_robot.models.head import Head
from dist2_robot.models.language_model import LanguageModel
from dist2_robot.models.language_trunk import LanguageState, LanguageTrunk
from dist2_robot.models.observation_encoder import ObservationEncoder
from dist2_robot.policies.decoding import Sampling
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.tokenizers.tokenizer import Tokenizer
from dist2_robot.types import Observation, Prediction

SUPPORTS = ("actions", "vocabulary")


class LanguagePolicy(DiscretePolicy):
    """Reads the task, sees what the robot senses as tokens among the words, and answers in action tokens.

    The V rows that the vocabulary grows by are weights of their own: ``embedding`` of those that go in, and the head of
    those that come out (``free`` is the plain layer; any other head will do). So all words stay as they are where only
    adapters are trained, and logits are worked out for action tokens alone, at their positions alone: no other token
    can be generated.

    Args:
        spec: What an action is.
        tokenizer: Cuts actions into tokens.
        head: (B, positions, D) -> logits (B, positions, V).
        encoder: Makes tokens of what is seen, of width D.
        language: The model.
        prompt: A text in which ``{task}`` stands for what is to be done.
        generation: ``autoregressive``, one token after the other, as published; or ``parallel``: learned vectors stand
            in place of the action tokens, and all are predicted at once.
        support: What the loss takes the softmax over: ``actions``, or ``vocabulary``, all words too, as published.
        decoding: The rule that turns a distribution into an action, a name in `decoding.RULES`.
        sampling: How the rule ``sample`` draws.
        distance: What the rule ``min_risk`` makes small; None where it is not used.
        max_prefix: 0: it cannot be given committed steps.
    """

    trunk: LanguageTrunk

    def __init__(
        self,
        spec: ActionSpec,
        tokenizer: Tokenizer,
        head: Head,
        encoder: ObservationEncoder,
        language: LanguageModel,
        *,
        prompt: str,
        generation: str = "autoregressive",
        support: str = "actions",
        decoding: str = "argmax",
        sampling: Sampling | None = None,
        distance: Distance | None = None,
        max_prefix: int = 0,
    ) -> None:
        if max_prefix:
            raise ValueError(f"policy.max_prefix must be 0, got {max_prefix}: use policy=token for committed steps")
        if support not in SUPPORTS:
            raise ValueError(f"support must be one of {list(SUPPORTS)}, got '{support}'")
        super().__init__(
            tokenizer,
            LanguageTrunk(encoder, language, prompt),
            generation=generation,
            tokens_per_query=1,
            decoding=decoding,
            sampling=sampling,
            distance=distance,
        )
        self.head, self.support = head, support
        # In parallel a position has a vector of its own, else a token has one, the same at all positions.
        rows = tokenizer.tokens_per_chunk if generation == "parallel" else tokenizer.vocab_size
        self.embedding = nn.Embedding(rows, language.width)
        nn.init.normal_(self.embedding.weight, std=language.spread)

    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds this policy anew, given the action spec."""
        eyes = self.trunk.encoder.config()
        return {
            "name": "language_model",
            "head": self.head.config(),
            "observation": eyes["observation"],
            "vision": eyes["vision"],
            **self.trunk.language.config(),
            "prompt": self.trunk.prompt,
            "support": self.support,
            **self.choosing_config(),
        }

    @property
    def token_ids(self) -> Tensor | None:
        """Which of the logits that a loss judges are those of action tokens, (V,); None for all."""
        return torch.arange(self.tokenizer.vocab_size) if self.support == "vocabulary" else None

    def predict(self, observation: Observation, tokens: Tensor | None = None) -> Prediction:
        return self._predict(self._features(observation, tokens))

    def training_prediction(self, observation: Observation, tokens: Tensor) -> Prediction:
        """Return what the loss judges, given the right tokens (B, L).

        With the whole vocabulary the logits are (B, L, V + 1): the last one is the log of the sum over all words, so
        that the softmax is that over V + W tokens, and W never meets the loss.
        """
        features = self._features(observation, tokens)
        prediction = self._predict(features)
        if self.support == "actions":
            return prediction
        words = self.trunk.language.words_logit(features).to(prediction.logits.dtype)
        return replace(prediction, logits=torch.cat([prediction.logits, words], dim=-1))

    def _features(self, observation: Observation, tokens: Tensor | None) -> Tensor:
        """Return what the head reads, (B, L, D)."""
        count = self.tokenizer.tokens_per_chunk
        if self.generation == "parallel":
            queries = self.embedding.weight.expand(observation.batch_size, -1, -1)
            return self.trunk(observation, queries, count)
        if tokens is None:
            raise ValueError("an autoregressive policy predicts given the tokens before: pass them, or call act")
        return self.trunk(observation, self.embedding(tokens[:, :-1]), count)  # the first follows what is seen

    def _begin(self, observation: Observation) -> tuple[LanguageState, Tensor]:
        return self.trunk.begin(observation)

    def _extend(self, state: tuple[LanguageState, Tensor], first: int, tokens: Tensor | None) -> Tensor:
        so_far, features = state
        if tokens is not None:
            features = self.trunk.extend(so_far, self.embedding(tokens))
        return features
