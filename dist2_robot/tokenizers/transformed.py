"""Chunks as coefficients: a fixed matrix turns the T steps of a dimension into K numbers, and each is cut into bins.

Nothing is merged (as FAST does, Pertsch et al. 2025, arXiv 2501.09747): every token stands for one number, so distances
keep their meaning. B batch, T steps, A dimensions that move, K coefficients, V bins, L = K * A. Position ``k * A + a``
is coefficient k of dimension a.
"""

from dataclasses import replace

import torch
from torch import Tensor

from dist2_robot.actions.guess import RANGE_MARGIN
from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.distances.points import TokenPoints
from dist2_robot.tokenizers.tokenizer import Tokenizer
from dist2_robot.tokenizers.uniform import UniformTokenizer

# Bins of float32 numbers c must be wider than their spacing, 2^-23 |c|.
LEAST_BIN = 2.0**-21


class TransformedTokenizer(Tokenizer):
    """``c = M x`` in each dimension, c cut into V equal bins, ``x = W c + r`` on the way back.

    A subclass gives M and W, with M W = 1. r, (T, A), is what the transform drops on average over the training chunks,
    so that coefficients that are left out decode to their training mean. Before `fit` it is zero, and the coefficients
    range as far as actions within the limits can take them; `fit` narrows that to the range seen with 5 % to either
    side. Coefficients beyond go to the near edge, actions beyond the limits count as the limits, and decoded ones are
    brought within them.

    A dimension that wraps is unwrapped from its first step on, step by step the short way, and wrapped after decoding.
    Where a whole turn of the chunk moves one coefficient alone, as the mean of a DCT, that coefficient wraps; elsewhere
    coefficients do not: chunks that begin on either side of the seam are then far apart in tokens.

    Coefficients of a gripper are averaged like all others: half open can be what is decoded. A chunk that is padded
    with its last action is a whole chunk, so no token counts as padding.
    """

    residual: Tensor
    _analysis: Tensor
    _synthesis: Tensor

    def __init__(
        self, spec: ActionSpec, analysis: Tensor, synthesis: Tensor, bins: int, tolerance_factor: float = 1.0
    ) -> None:
        """Cut the coefficients.

        Args:
            spec: Limits and tolerances.
            analysis: M, (K, T).
            synthesis: W, (T, K).
            bins: V.
            tolerance_factor: The tolerance of a coefficient, in those of its dimension.
        """
        count, horizon = analysis.shape
        size = len(spec.moving)
        super().__init__(spec, horizon, bins, count * size, tokens_per_query=size)
        self.count = count
        self.cut = UniformTokenizer(_as_dimensions(self.moving, analysis.double(), tolerance_factor), 1, bins)
        self.register_buffer("_analysis", analysis.double(), persistent=False)
        self.register_buffer("_synthesis", synthesis.double(), persistent=False)
        self.register_buffer("residual", torch.zeros(horizon, size, dtype=torch.float64))

    def _fit(self, actions: Tensor) -> None:
        """Take the ranges of the coefficients, and what is dropped on average, from chunks (N, T, A)."""
        if not len(actions):
            raise ValueError("there is no whole chunk to take coefficients of")
        steps = self._unwrapped(actions)
        coefficients = self._analysis @ steps  # (N, K, A)
        self.residual.copy_((steps - self._synthesis @ coefficients).mean(dim=0))
        seen = coefficients.flatten(1)
        low, high = seen.amin(dim=0), seen.amax(dim=0)  # (K * A,)
        dimensions = self.cut.spec.dimensions
        tolerance = torch.tensor([d.tolerance for d in dimensions], dtype=torch.float64, device=low.device)
        # A coefficient that never moves still gets a tolerance to either side, and bins that can be told apart.
        least = torch.maximum(tolerance, LEAST_BIN * self.vocab_size * torch.maximum(low.abs(), high.abs()))
        centre, half = (low + high) / 2, torch.maximum((high - low) * (0.5 + RANGE_MARGIN), least)
        bound_low, bound_high, whole = self.cut._low, self.cut._high, self.cut._wraps
        low = torch.where(whole, bound_low, torch.maximum(centre - half, bound_low))
        high = torch.where(whole, bound_high, torch.minimum(centre + half, bound_high))
        share = torch.arange(self.vocab_size + 1, dtype=torch.float64, device=low.device) / self.vocab_size
        self.cut.set_edges(torch.lerp(low[:, None], high[:, None], share))

    def _encode(self, actions: Tensor) -> Tensor:
        return self.cut.encode(self._coefficients(actions)[..., None, :])

    def _decode(self, tokens: Tensor) -> Tensor:
        return self._to_actions(self.cut.decode(tokens).squeeze(-2))

    def values(self) -> Tensor:
        return self.cut.values()

    def _to_values(self, actions: Tensor) -> Tensor:
        return self._coefficients(actions).to(actions.dtype)

    def _to_actions(self, values: Tensor) -> Tensor:
        """Return ``W c + r`` of coefficients (B, L), within the limits."""
        coefficients = values.double().unflatten(-1, (self.count, len(self.moving)))
        return self.in_limits(self._synthesis @ coefficients + self.residual).to(values.dtype)

    def padding_mask(self, is_padding: Tensor) -> Tensor:
        return torch.zeros(*is_padding.shape[:-1], self.tokens_per_chunk, dtype=torch.bool, device=is_padding.device)

    def boundaries(self) -> Tensor:
        return self.cut.boundaries()

    def periods(self) -> Tensor:
        return self.cut.periods()

    def points(self) -> TokenPoints:
        """Return one group per coefficient of each dimension; the dimensions of one coefficient belong together."""
        return replace(self.cut.points(), row=len(self.moving))

    def _coefficients(self, actions: Tensor) -> Tensor:
        return (self._analysis @ self._unwrapped(actions)).flatten(-2)

    def _unwrapped(self, actions: Tensor) -> Tensor:
        """Return actions (B, T, A) within the limits; those that wrap go on from their first step without a jump."""
        within = self.in_limits(actions)
        period = self._high - self._low
        moves = torch.remainder(within.diff(dim=-2) + period / 2, period) - period / 2
        first = within[..., :1, :]
        return torch.where(self._wraps, torch.cat([first, first + moves.cumsum(dim=-2)], dim=-2), within)


def checked_count(name: str, count: int, horizon: int) -> int:
    """Return the number of coefficients. Raises ValueError where a chunk of so many steps has not as many."""
    if horizon < 1:
        raise ValueError(f"a chunk needs at least 1 step, got {horizon}")
    if not 1 <= count <= horizon:
        raise ValueError(f"{name} must be 1 to {horizon}, as many as a chunk has steps at most, got {count}")
    return count


def _as_dimensions(spec: ActionSpec, analysis: Tensor, tolerance_factor: float) -> ActionSpec:
    """Return the coefficients as if they were dimensions of an action: how far they can reach within the limits."""
    turn = analysis.sum(dim=1)  # how far each coefficient moves when all steps move by 1
    turn = torch.where(turn.abs() > 1e-9, turn, torch.zeros_like(turn))
    alone = int((turn != 0).sum()) == 1
    step = torch.arange(analysis.shape[1], dtype=torch.float64)
    dimensions = []
    for k, row in enumerate(analysis):
        for d in spec.dimensions:
            middle, half = (d.low + d.high) / 2 * float(turn[k]), (d.high - d.low) / 2
            wraps = d.wraps and alone and float(turn[k]) > 0
            if wraps:
                reach = half * float(turn[k])
            else:  # each step of an unwrapped chunk may lie half a turn farther than the one before
                reach = float((row.abs() * (half * (1 + step) if d.wraps else half)).sum())
            # Whatever the dimension moves, its coefficients may be averaged: none of them is a gripper.
            dimensions.append(
                ActionDimension(
                    name=f"{d.name}, coefficient {k}",
                    kind="joint",
                    unit=d.unit,
                    low=middle - reach,
                    high=middle + reach,
                    wraps=wraps,
                    tolerance=d.tolerance * tolerance_factor,
                )
            )
    return ActionSpec(tuple(dimensions), spec.control_mode, spec.rate_hz, spec.source)
