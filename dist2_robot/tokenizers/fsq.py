"""Finite scalar quantisation (Mentzer et al. 2023, arXiv 2309.15505) of the principal components of chunks.

B batch, T steps of a chunk, E coordinates of a step, P latents, L = P / n tokens of n levels each, V their product.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.distances.points import TokenPoints
from dist2_robot.tokenizers.vectors import VectorTokenizer

LEAST_RANGE = 1.0  # tolerances, of a latent that does not move, so that its levels stay apart


class FsqTokenizer(VectorTokenizer):
    """Each latent is bounded by the range seen and rounded to one of its levels; n latents are one token.

    The encoder is *linear*: the latents are the leading principal components of chunks in tolerances. Nothing is
    trained, and since components are orthonormal the metric is exact: squared errors of the latents add up to the
    squared error of the chunk, whichever tokens they are in. What a network could bend into fewer latents is lost.

    Latents are dealt to the tokens in turn: token i holds the components i, i + L, i + 2L, ..., of which the first gets
    the first number of levels. With the largest number first, each token has one strong component, cut finely. (Dealt
    in blocks of n, push-v3 with levels [64, 16] errs by 1.05 tolerances in place of .54.)
    """

    mean: Tensor
    components: Tensor
    low: Tensor
    step: Tensor
    _levels: Tensor

    def __init__(
        self, spec: ActionSpec, horizon: int, levels: Sequence[int] = (64, 16), latents: int | None = None
    ) -> None:
        """Describe the lattice; `fit` learns the components and their ranges.

        Args:
            spec: Limits and tolerances.
            horizon: T.
            levels: Of the n latents of a token; V is their product.
            latents: P, a multiple of n; None for as many as there are coordinates of a chunk.
        """
        if not levels or min(levels) < 2:
            raise ValueError(f"levels must be whole numbers of 2 or more, e.g. [64, 16], got {list(levels)}")
        size, share = horizon * sum(2 if d.wraps else 1 for d in spec.moving.dimensions), len(levels)
        count = max(size, 0) // share * share if latents is None else latents
        if horizon >= 1 and not (share <= count <= size and count % share == 0):
            raise ValueError(
                f"latents must be a multiple of {share}, the levels of a token, and at most {size}, the coordinates of "
                f"a chunk, got {count}"
            )
        super().__init__(spec, horizon, max(1, horizon), math.prod(levels), count // share, tokens_per_query=1)
        self.levels, self.latents, self.count = tuple(levels), latents, count
        each = torch.tensor([levels[latent // self.tokens_per_chunk] for latent in range(count)])
        self.register_buffer("_levels", each, persistent=False)  # (P,)
        unknown = math.nan  # until fitted
        self.register_buffer("mean", torch.full((size,), unknown, dtype=torch.float64))
        self.register_buffer("components", torch.full((count, size), unknown, dtype=torch.float64))
        self.register_buffer("low", torch.full((count,), unknown, dtype=torch.float64))
        self.register_buffer("step", torch.full((count,), unknown, dtype=torch.float64))

    def _fit(self, actions: Tensor) -> None:
        """Take components and ranges from chunks (N, T, A)."""
        if not len(actions):
            raise ValueError("there is no whole chunk to take components of")
        vectors = self.to_vectors(actions.to(self.mean.device)).flatten(1)
        self.mean.copy_(vectors.mean(dim=0))
        centred = vectors - self.mean
        _, axes = torch.linalg.eigh(centred.T @ centred)  # of ascending variance, (T * E, T * E)
        self.components.copy_(axes.flip(1).T[: self.count])
        latents = centred @ self.components.T
        low, high = latents.amin(dim=0), latents.amax(dim=0)
        half = ((high - low) / 2).clamp(min=LEAST_RANGE / 2)
        self.low.copy_((low + high) / 2 - half)
        self.step.copy_(2 * half / self._levels)

    def candidates(self, vectors: Tensor) -> Tensor:
        """Return the tokens (B, 1, L) of vectors (B, T, E): each latent is rounded by itself."""
        self._check_fitted()
        latents = (vectors.flatten(1) - self.mean) @ self.components.T
        level = ((latents - self.low) / self.step).floor().long().clamp(min=0)
        level = torch.minimum(level, self._levels - 1).unflatten(1, (len(self.levels), -1))  # (B, n, L)
        return (level * self._places()[:, None]).sum(dim=1, keepdim=True)

    def compose(self, tokens: Tensor) -> Tensor:
        """Return the vectors (B, T, E) at the middle of the levels that tokens (B, L) stand for."""
        self._check_fitted()
        level = self._split(tokens).mT.flatten(1)  # (B, P): the first levels of all tokens, then the second ones
        vectors = self.mean + (self.low + (level + 0.5) * self.step) @ self.components
        return vectors.unflatten(1, (self.horizon, self.coordinates))

    def points(self) -> TokenPoints:
        """Return one group per token; 1 apart is one tolerance root mean square over the chunk.

        Before `fit` the coordinates are not numbers.
        """
        level = self._split(torch.arange(self.vocab_size)).double()  # (V, n)
        low, step = (x.cpu().unflatten(0, (len(self.levels), -1)).T for x in (self.low, self.step))  # (L, n)
        latents = low[:, None] + (level + 0.5) * step[:, None]  # (L, V, n)
        return TokenPoints(
            points=latents / math.sqrt(self.horizon * len(self.moving)),
            groups=torch.arange(self.tokens_per_chunk),
            lattice=level.expand_as(latents),
        )

    def config(self) -> dict[str, Any]:
        return {"name": "fsq", "horizon": self.horizon, "levels": list(self.levels), "latents": self.latents}

    def _places(self) -> Tensor:
        """Return what a level of each latent of a token counts, (n,): the last one counts 1."""
        places = [math.prod(self.levels[i + 1 :]) for i in range(len(self.levels))]
        return torch.tensor(places, device=self._levels.device)

    def _split(self, tokens: Tensor) -> Tensor:
        """Return the levels (..., n) of tokens (...)."""
        places = self._places().to(tokens.device)
        return tokens[..., None] // places % torch.tensor(self.levels, device=tokens.device)

    def _check_fitted(self) -> None:
        if not torch.compiler.is_exporting() and self.step[0].isnan():
            raise ValueError("fsq has no components yet: call fit with recorded chunks first")
