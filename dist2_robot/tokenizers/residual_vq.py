"""Residual vector quantisation: each token adds a vector from a learned codebook to those before.

As in VQ-BeT (Lee et al. 2024, arXiv 2403.03181), but on the actions themselves in place of a network's latents.
B batch, T steps of a chunk, t of a piece, N pieces, E coordinates of a step, S stages, V codes, D = t * E.
"""

import math
from typing import Any

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.distances.points import TokenPoints
from dist2_robot.tokenizers.k_means import k_means, nearest_code
from dist2_robot.tokenizers.vectors import VectorTokenizer

BEAM = 8
MOST_VECTORS = 2**13  # to learn from; evenly spaced, since chunks that start a step apart are nearly the same


class ResidualVQTokenizer(VectorTokenizer):
    """Position ``i * S + s`` is stage s of piece i; a piece decodes to the sum of its S codes.

    No network, so the metric is exact: codes live in tolerances, see `VectorTokenizer`. Two codes of a stage are 1
    apart where exchanging them changes the piece by one tolerance root mean square, over its steps and dimensions.

    Later stages learn not only from what the earlier ones leave over of the chunks they learned from, but also from
    what codes of one half of the chunks leave over of the other half: with few demonstrations codes come so close to
    chunks they have seen that later stages would know no other errors. Encoding looks ahead with a beam of 8.
    """

    codebooks: Tensor

    def __init__(
        self,
        spec: ActionSpec,
        horizon: int,
        stages: int = 4,
        codes: int = 256,
        steps_per_code: int | None = None,
        seed: int = 0,
    ) -> None:
        """Describe the codebooks; `fit` learns them.

        Args:
            spec: Limits and tolerances.
            horizon: T.
            stages: S, tokens of a piece.
            codes: V.
            steps_per_code: t, the steps that a code spans; None for the whole chunk. Pieces share their codebooks.
            seed: Of the draws of `fit`.
        """
        steps = horizon if steps_per_code is None else steps_per_code
        if stages < 1:
            raise ValueError(f"residual_vq needs at least 1 stage, got {stages}")
        if horizon >= 1 and (steps < 1 or horizon % steps):
            raise ValueError(f"steps_per_code={steps} must divide the {horizon} steps of a chunk")
        super().__init__(spec, horizon, max(1, steps), codes, stages, tokens_per_query=stages)
        self.stages, self.steps_per_code, self.seed = stages, steps_per_code, seed
        # Not a number until fitted: an empty codebook must not pass for one.
        books = torch.full((stages, codes, steps * self.coordinates), math.nan, dtype=torch.float64)
        self.register_buffer("codebooks", books)  # (S, V, D)

    def _fit(self, actions: Tensor) -> None:
        """Learn the codes from chunks (N, T, A) in the order of their recording."""
        if not len(actions):
            raise ValueError("there is no whole chunk to learn codes from")
        vectors = self._flat(self.to_vectors(actions.to(self.codebooks.device))).cpu()
        if len(vectors) > MOST_VECTORS:
            vectors = vectors[torch.linspace(0, len(vectors) - 1, MOST_VECTORS).long()]
        generator = torch.Generator().manual_seed(self.seed)
        seen, halves = vectors, vectors.tensor_split(2) if len(vectors) > 1 else (vectors, vectors)
        for stage, book in enumerate(self.codebooks):
            codes = k_means(torch.cat([seen, *halves]) if stage else vectors, self.vocab_size, generator)
            book.copy_(codes)
            if stage < self.stages - 1:
                seen = _left_over(seen, codes)
                first, second = (k_means(half, self.vocab_size, generator) for half in halves)
                halves = _left_over(halves[0], second), _left_over(halves[1], first)

    def candidates(self, vectors: Tensor) -> Tensor:
        """Return tokens (N, beam, S) of vectors (N, t, E) by a beam search over the stages."""
        self._check_fitted()
        left = vectors.flatten(1)[:, None]  # what the codes so far leave over, (N, beam, D)
        tokens = torch.zeros(len(left), 1, 0, dtype=torch.long, device=vectors.device)
        for book in self.codebooks:
            # |x - c|^2 as |x|^2 - 2 x c + |c|^2: half the time of torch.cdist
            products = torch.addmm(book.square().sum(dim=1), left.flatten(0, 1), book.T, alpha=-2)
            squared = (products.unflatten(0, left.shape[:2]) + left.square().sum(dim=2, keepdim=True)).flatten(1)
            best = squared.topk(min(BEAM, squared.shape[1]), dim=1, largest=False).indices  # (N, beam)
            source, code = best // self.vocab_size, best % self.vocab_size
            before = tokens.gather(1, source[..., None].expand(-1, -1, tokens.shape[2]))
            tokens = torch.cat([before, code[..., None]], dim=2)
            left = left.gather(1, source[..., None].expand(-1, -1, left.shape[2])) - book[code]
        return tokens

    def compose(self, tokens: Tensor) -> Tensor:
        """Return the sums of codes (N, t, E) for tokens (N, S)."""
        self._check_fitted()
        stage = torch.arange(self.stages, device=tokens.device)
        return self.codebooks[stage, tokens].sum(dim=1).unflatten(1, (self.steps, self.coordinates))

    def points(self) -> TokenPoints:
        """Return one group per stage; before `fit` its coordinates are not numbers."""
        return TokenPoints(
            points=self.codebooks.cpu() / math.sqrt(self.steps * len(self.moving)),
            groups=torch.arange(self.stages).repeat(self.horizon // self.steps),
        )

    def config(self) -> dict[str, Any]:
        return {
            "name": "residual_vq",
            "horizon": self.horizon,
            "stages": self.stages,
            "codes": self.vocab_size,
            "steps_per_code": self.steps_per_code,
            "seed": self.seed,
        }

    def _flat(self, vectors: Tensor) -> Tensor:
        """Return vectors (B, T, E) as pieces (N, D)."""
        return vectors.reshape(-1, self.steps * self.coordinates)

    def _check_fitted(self) -> None:
        if not torch.compiler.is_exporting() and self.codebooks[0, 0, 0].isnan():
            raise ValueError("residual_vq has no codes yet: call fit with recorded chunks first")


def _left_over(vectors: Tensor, codes: Tensor) -> Tensor:
    """Return what the nearest of codes (V, D) leave over of vectors (N, D)."""
    return vectors - codes[nearest_code(vectors, codes)[1]]
