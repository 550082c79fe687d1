"""The contract of an action tokenizer.

B batch, T steps, A action dimensions, M of them move, L tokens of a chunk, V vocabulary.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.actions.constants import MovingColumns
from dist2_robot.actions.spec import ActionSpec
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.protocol import Distance
from dist2_robot.distances.table import DistanceTable
from dist2_robot.finite import all_finite

LARGEST_STATE = 1e15  # products and sums of such numbers stay finite


class Tokenizer(nn.Module, ABC):
    """Cuts a chunk of actions into a fixed number of tokens, and knows what each token means.

    What was fitted lives in buffers, so it is part of the checkpoint and moves with the policy.

    Action columns that never move in the recordings cost no token, and decoding gives them as they were recorded. All
    that a subclass writes (`_fit`, `_encode`, `_decode`, `_to_values`, `_to_actions`) is of the M others alone.

    Attributes:
        spec: What an action is.
        moving: The dimensions that move, which is what tokens tell of.
        horizon: Steps of a chunk, T.
        vocab_size: V.
        tokens_per_chunk: L.
        tokens_per_query: How many consecutive tokens belong together, as those of one step: a policy with
            ``queries=step`` predicts them from one query.
        is_ordered: Whether each token stands for one number, so that tokens can be averaged: `values`, `to_values`
            and `to_actions` are there for ordered tokenizers only.
    """

    is_ordered = True
    _low: Tensor
    _high: Tensor
    _wraps: Tensor

    def __init__(
        self, spec: ActionSpec, horizon: int, vocab_size: int, tokens_per_chunk: int, tokens_per_query: int = 1
    ) -> None:
        super().__init__()
        if horizon < 1:
            raise ValueError(f"a chunk needs at least 1 step, got {horizon}")
        if vocab_size < 2:
            raise ValueError(f"a tokenizer needs at least 2 bins, got {vocab_size}")
        self.spec, self.moving = spec, spec.moving
        self.columns = MovingColumns(spec)
        self.horizon = horizon
        self.vocab_size = vocab_size
        self.tokens_per_chunk = tokens_per_chunk
        self.tokens_per_query = tokens_per_query
        limits = torch.tensor([[d.low, d.high] for d in self.moving.dimensions], dtype=torch.float64).T  # (2, M)
        self.register_buffer("_low", limits[0], persistent=False)
        self.register_buffer("_high", limits[1], persistent=False)
        self.register_buffer("_wraps", torch.tensor([d.wraps for d in self.moving.dimensions]), persistent=False)

    def fit(self, actions: Tensor) -> None:
        """Learn from chunks (N, T, A) of recorded actions. Raises ValueError where that cannot be."""
        self._fit(self.columns.take(actions))

    def encode(self, actions: Tensor) -> Tensor:
        """Return the tokens (B, L) of action chunks (B, T, A) in the units of the spec.

        Raises ValueError where the shape is another or an action is not finite.
        """
        if actions.shape[-2:] != (self.horizon, len(self.spec)):
            raise ValueError(f"actions must be (B, {self.horizon}, {len(self.spec)}), got {tuple(actions.shape)}")
        if not all_finite(actions):
            raise ValueError("cannot encode actions that are not finite")
        return self._encode(self.columns.take(actions))

    def decode(self, tokens: Tensor) -> Tensor:
        """Return the action chunks (B, T, A) that tokens (B, L) stand for.

        Raises ValueError where the length is another or there is no such token.
        """
        if tokens.shape[-1] != self.tokens_per_chunk:
            raise ValueError(f"a chunk has {self.tokens_per_chunk} tokens, got {tokens.shape[-1]}")
        if tokens.is_floating_point():
            raise ValueError(f"tokens are whole numbers, got {tokens.dtype}")
        if not torch.compiler.is_exporting() and ((tokens < 0) | (tokens >= self.vocab_size)).any():
            raise ValueError(f"tokens must lie in [0, {self.vocab_size}), got {tokens.min()} to {tokens.max()}")
        return self.columns.put_back(self._decode(tokens))

    def check_fitted(self) -> None:
        """Look at a state that was loaded, before anything is decoded with it.

        Raises:
            ValueError: What it decodes may not be finite, or not within the limits.
        """
        for name, x in self.state_dict().items():
            if x.is_floating_point() and not bool((x.abs() < LARGEST_STATE).all()):  # of NaN too
                raise ValueError(f"tokenizer: '{name}' holds numbers that are not finite, or of no use")

    @abstractmethod
    def points(self) -> TokenPoints:
        """Return where the tokens of each position lie, in units of tolerance."""

    def distances(self, distance: Distance) -> DistanceTable:
        """Return how far apart the tokens of each position are."""
        return self.points().distances(distance)

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds this tokenizer anew."""

    @abstractmethod
    def padding_mask(self, is_padding: Tensor) -> Tensor:
        """Return the tokens (B, L) that count for nothing, given the steps (B, T) that do."""

    def values(self) -> Tensor:
        """Return what each token means at each position, (L, V), in the units of the action spec."""
        raise NotImplementedError(f"the tokens of {type(self).__name__} are no single numbers")

    def boundaries(self) -> Tensor | None:
        """Return where the tokens of each position begin and end, (L, V + 1), float64.

        None where that is half-way between their values, or where they are no numbers.
        """
        return None

    def to_values(self, actions: Tensor) -> Tensor:
        """Return the number that each token position stands for, (B, L), before it is cut; `to_actions` undoes it."""
        return self._to_values(self.columns.take(actions))

    def to_actions(self, values: Tensor) -> Tensor:
        """Return action chunks (B, T, A) from one number per token position (B, L), e.g. an expected value."""
        return self.columns.put_back(self._to_actions(values))

    def periods(self) -> Tensor:
        """Return after what length the values of a position repeat, (L,); infinity where they do not."""
        return torch.full((self.tokens_per_chunk,), math.inf)

    def never_averaged(self) -> Tensor:
        """Return the positions (L,) whose values must not be averaged, as of a gripper that is open or shut."""
        return torch.zeros(self.tokens_per_chunk, dtype=torch.bool)

    def in_limits(self, actions: Tensor) -> Tensor:
        """Return actions (..., M) within the limits, float64: clipped, or brought round where they wrap."""
        values = actions.double()
        turned = self._low + torch.remainder(values - self._low, self._high - self._low)
        turned = torch.where(turned < self._high, turned, self._low)  # a hair below the lower end is rounded up
        return torch.where(self._wraps, turned, torch.minimum(torch.maximum(values, self._low), self._high))

    def _fit(self, actions: Tensor) -> None:
        """See `fit`; by default there is nothing to learn."""

    def _to_values(self, actions: Tensor) -> Tensor:
        raise NotImplementedError(f"the tokens of {type(self).__name__} are no single numbers")

    def _to_actions(self, values: Tensor) -> Tensor:
        raise NotImplementedError(f"the tokens of {type(self).__name__} are no single numbers")

    @abstractmethod
    def _encode(self, actions: Tensor) -> Tensor: ...

    @abstractmethod
    def _decode(self, tokens: Tensor) -> Tensor: ...
