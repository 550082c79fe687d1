"""A loss of ours for LeRobot's pi0-FAST. B batch, S action tokens with what is round them, W words of the vocabulary.

    tokens = ActionTokens(tokenizer)                        # of ours, in place of FAST, whose merges have no distances
    table = shared_distances(tokenizer, SquaredDistance("bins"))
    words = policy._paligemma_tokenizer.vocab_size
    ids = paligemma_ids(tokenizer.vocab_size, words=words, skipped=policy.config.fast_skip_tokens)
    use_loss(policy, Dist2Loss(table, tau=2.0, token_ids=ids), ids)

Then the policy trains as before; pass the tokens to its pipeline as ``action_tokenizer_input_object``.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.distances.protocol import Distance
from dist2_robot.distances.table import DistanceTable
from dist2_robot.losses.metric_vocabulary import MetricVocabulary
from dist2_robot.tokenizers.tokenizer import Tokenizer


class ActionTokens:
    """A tokenizer of ours, called as pi0-FAST calls FAST: actions (B, T, A) to lists of tokens, and back."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def __call__(self, actions: Tensor) -> list[list[int]]:
        return self.tokenizer.encode(torch.as_tensor(actions).float()).tolist()

    def decode(self, tokens: list[list[int]], **_: Any) -> Any:
        """Return actions (B, T, A). Raises ValueError for tokens that are no chunk, instead of making up zeros."""
        return self.tokenizer.decode(torch.as_tensor(tokens)).numpy()


def paligemma_ids(tokens: int, *, words: int, skipped: int) -> Tensor:
    """Return which words stand for action tokens 0, 1, ...: the last ones, backwards, but for some, as in pi0-FAST."""
    return words - 1 - skipped - torch.arange(tokens)


def shared_distances(tokenizer: Tokenizer, distance: Distance) -> DistanceTable:
    """Return the distances of tokens that are the same words at all positions.

    Raises:
        ValueError: They differ from dimension to dimension, so that a word has no one distance from another.
    """
    table = tokenizer.distances(distance)
    if not torch.allclose(table.distances, table.distances[:1], rtol=1e-4):
        raise ValueError(
            f"the tokens of {list(tokenizer.spec.names)} are not equally far apart in every dimension: measure in bins"
        )
    return DistanceTable(table.distances[:1], torch.zeros(1, dtype=torch.long), power=table.power)


def use_loss(policy: Any, loss: nn.Module, token_ids: Tensor) -> None:
    """Let a pi0-FAST policy learn by a loss of ours; what it does otherwise does not change.

    Words that are no action tokens, such as the end of a chunk, count with their cross-entropy alone. The ``ce_loss``
    that the policy reports stays its own.

    Args:
        policy: A ``PI0FastPolicy``.
        loss: A loss over tokens, built with the same ``token_ids``.
        token_ids: Which words stand for action tokens.
    """
    model, metric = policy.model, MetricVocabulary(token_ids)
    theirs = model.forward

    def forward(images: Any, image_masks: Any, words: Any, masks: Any, tokens: Tensor, token_masks: Tensor) -> dict:
        logits: list[Tensor] = []
        hook = model.paligemma_with_expert.paligemma.lm_head.register_forward_hook(
            lambda _module, _inputs, output: logits.append(output)
        )
        try:
            losses = theirs(images, image_masks, words, masks, tokens, token_masks)
        finally:
            hook.remove()
        targets, padding = tokens[:, 1:], ~token_masks[:, 1:].bool()  # (B, S - 1)
        found = metric.to(targets.device).find(targets)[1] & ~padding
        ours = loss.to(targets.device)(logits[-1][:, :-1], targets, padding_mask=padding, metric_tokens=found)
        return {**losses, "loss": ours.loss}

    model.forward = forward
