"""Chunks as vectors whose lengths are errors in tolerances.

B batch, T steps of a chunk, t of a piece, N = B * T / t pieces, A action dimensions that move, E coordinates, l tokens
of a piece.
"""

import math
from abc import abstractmethod

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.tokenizers.settle import settle
from dist2_robot.tokenizers.tokenizer import Tokenizer


class VectorTokenizer(Tokenizer):
    """Tokens that stand for a piece of a motion, the same number of tokens each; a subclass finds them.

    A dimension is its value from the middle of its range, in tolerances. One that wraps is a point on a circle as long
    as its period, two coordinates: the two ends of its range are then the same point, and short arcs keep their length.
    Decoding turns the nearest direction back into an angle. So the length of a difference of vectors, over the square
    root of steps times A, is the root-mean-square error in tolerances.

    A second round trip changes no token. Actions out of range count as the limits, and decoded ones are brought within
    them. A chunk that is padded with its last action is a whole chunk, so no token counts as padding.
    """

    is_ordered = False
    _tolerance: Tensor

    def __init__(
        self, spec: ActionSpec, horizon: int, steps: int, vocab_size: int, tokens_per_piece: int, tokens_per_query: int
    ) -> None:
        """Args: spec: Limits and tolerances. horizon: T. steps: t, which divides T. vocab_size: V.

        tokens_per_piece: l. tokens_per_query: How many consecutive tokens are predicted together.
        """
        super().__init__(spec, horizon, vocab_size, horizon // steps * tokens_per_piece, tokens_per_query)
        self.steps = steps
        tolerance = torch.tensor([d.tolerance for d in self.moving.dimensions], dtype=torch.float64)
        self.register_buffer("_tolerance", tolerance, persistent=False)

    def to_vectors(self, actions: Tensor) -> Tensor:
        """Return actions (..., A) in tolerances, (..., E), float64."""
        from_low = self.in_limits(actions) - self._low
        plain = (from_low - (self._high - self._low) / 2) / self._tolerance
        if not any(d.wraps for d in self.moving.dimensions):
            return plain
        radius, period = self._circle()
        straight, wraps = self._dimensions(wraps=False), self._dimensions(wraps=True)
        angle = from_low[..., wraps] * (2 * math.pi / period) - math.pi
        return torch.cat([plain[..., straight], radius * angle.cos(), radius * angle.sin()], dim=-1)

    def from_vectors(self, vectors: Tensor) -> Tensor:
        """Return the actions (..., A) nearest to vectors (..., E), within the limits, float32."""
        if not any(d.wraps for d in self.moving.dimensions):
            actions = vectors * self._tolerance + (self._high + self._low) / 2
        else:
            straight, wraps = self._dimensions(wraps=False), self._dimensions(wraps=True)
            count = len(wraps)
            plain, cosine, sine = vectors.split([len(self.moving) - count, count, count], dim=-1)
            _, period = self._circle()
            actions = vectors.new_empty(*vectors.shape[:-1], len(self.moving))
            middle = (self._high + self._low) / 2
            actions[..., straight] = plain * self._tolerance[straight] + middle[straight]
            if torch.compiler.is_exporting():  # ONNX Runtime has no arc tangent of 64 bits
                sine, cosine = sine.float(), cosine.float()
            angle = torch.atan2(sine, cosine).double()
            actions[..., wraps] = self._low[wraps] + (angle + math.pi) * period / (2 * math.pi)
        return torch.minimum(torch.maximum(actions, self._low), self._high).float()

    @property
    def coordinates(self) -> int:
        """E."""
        return sum(2 if dimension.wraps else 1 for dimension in self.moving.dimensions)

    def padding_mask(self, is_padding: Tensor) -> Tensor:
        return torch.zeros(*is_padding.shape[:-1], self.tokens_per_chunk, dtype=torch.bool, device=is_padding.device)

    @abstractmethod
    def candidates(self, vectors: Tensor) -> Tensor:
        """Return tokens (N, K, l) whose pieces are near to vectors (N, t, E), the nearest first."""

    @abstractmethod
    def compose(self, tokens: Tensor) -> Tensor:
        """Return the vectors (N, t, E) that the tokens (N, l) of pieces stand for."""

    def _encode(self, actions: Tensor) -> Tensor:
        pieces = self.to_vectors(actions).reshape(-1, self.steps, self.coordinates)
        tokens = settle(pieces, self.candidates, lambda t: self.to_vectors(self.from_vectors(self.compose(t))))
        return tokens.reshape(*actions.shape[:-2], self.tokens_per_chunk)

    def _decode(self, tokens: Tensor) -> Tensor:
        vectors = self.compose(tokens.reshape(-1, self.tokens_per_chunk * self.steps // self.horizon))
        return self.from_vectors(vectors).reshape(*tokens.shape[:-1], self.horizon, len(self.moving))

    def _circle(self) -> tuple[Tensor, Tensor]:
        """Return the radius, in tolerances, and the period, in units of the action, of dimensions that wrap."""
        wraps = self._dimensions(wraps=True)
        period = (self._high - self._low)[wraps]
        return period / (2 * math.pi * self._tolerance[wraps]), period

    def _dimensions(self, *, wraps: bool) -> list[int]:
        """Return which dimensions wrap, or which do not: numbers, not a mask, whose sum no exported graph may ask."""
        return [i for i, d in enumerate(self.moving.dimensions) if d.wraps == wraps]
