"""FAST: cosine coefficients, rounded, and merged by byte pairs (Pertsch et al. 2025, arXiv 2501.09747).

B batch, T steps, A action dimensions that move, L tokens of a chunk, V vocabulary. Coefficient ``k * A + a`` of a chunk
is frequency k of dimension a: all dimensions' slow movements come first.
"""

import math
from typing import Any

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.distances.points import TokenPoints
from dist2_robot.tokenizers.byte_pairs import BytePairs, check_merges
from dist2_robot.tokenizers.settle import settle
from dist2_robot.tokenizers.tokenizer import Tokenizer

PADDING = 0  # the token that fills up; token 1 + s is symbol s of the byte pairs
MOST_CHUNKS = 2**14  # to learn from; evenly spaced, since chunks that start a step apart are nearly the same


class FastTokenizer(Tokenizer):
    """A chunk becomes ``round(DCT-II(x / tolerance) / step)``, and these whole numbers become tokens by learned merges.

    The transform is orthonormal, so rounding errs by half a step root mean square at most, in tolerances, and by 0.29
    steps where the errors are uniform. (FAST's own setting, 10 numbers to half the range from the 1st to the 99th
    percentile, is a step of 5 where the tolerance is 1 % of the range.)

    What differs from the published code, in which such sequences are errors or decode to zeros:

    - Every sequence of tokens decodes. Padding is skipped wherever it stands, what is too long is cut, and where
      coefficients are missing they are their mean over the training chunks.
    - Every chunk is encoded. Numbers out of the fitted alphabet become its near edge, and where ``max_tokens`` are not
      enough the fastest movements are left out.
    - A chunk has always ``max_tokens`` tokens, the last ones padding. A second round trip changes no token.

    Tokens are mere symbols: neighbours in number mean unrelated runs of coefficients, and what a token means depends
    on those before it. So there is no distance between them, their points have no coordinates, and losses that ask for
    a distance refuse. `DctTokenizer` is the same without the merges, and keeps the metric.

    A dimension that wraps is unwrapped from its first step on. Actions beyond the limits count as the limits, and
    decoded ones are brought within them. A chunk that is padded with its last action is a whole chunk, so no token
    counts as padding.
    """

    is_ordered = False
    merges: Tensor
    alphabet: Tensor
    mean: Tensor
    _transform: Tensor
    _tolerance: Tensor

    def __init__(
        self, spec: ActionSpec, horizon: int, vocab_size: int = 1024, step: float = 1.0, max_tokens: int | None = None
    ) -> None:
        """Describe the vocabulary; `fit` learns it.

        Args:
            spec: Limits and tolerances.
            horizon: T.
            vocab_size: V, for padding, the alphabet of rounded coefficients, and merges.
            step: The rounding step of coefficients, in tolerances.
            max_tokens: L; None for T * A, which is always enough.
        """
        if not (step > 0 and math.isfinite(step)):
            raise ValueError(f"step must be positive and finite, got {step}")
        count = horizon * len(spec.moving)
        length = count if max_tokens is None else max_tokens
        if horizon >= 1 and not 1 <= length <= count:
            raise ValueError(f"max_tokens must be 1 to {count}, the coefficients of a chunk, got {length}")
        super().__init__(spec, horizon, vocab_size, length)
        self.coefficient_step, self.max_tokens = step, max_tokens
        transform = torch.from_numpy(dct(np.eye(horizon), axis=0, norm="ortho"))
        tolerance = torch.tensor([d.tolerance for d in self.moving.dimensions], dtype=torch.float64)
        self.register_buffer("_transform", transform, persistent=False)  # (T, T)
        self.register_buffer("_tolerance", tolerance, persistent=False)
        self.register_buffer("alphabet", torch.tensor([0, -1]))  # smallest and largest number; empty before `fit`
        self.register_buffer("merges", torch.full((vocab_size, 2), -1))  # those that there are come first
        self.register_buffer("mean", torch.zeros(count, dtype=torch.float64))  # of the coefficients, in steps
        self._pairs: BytePairs | None = None

    def _fit(self, actions: Tensor) -> None:
        """Learn alphabet, merges and mean from chunks (N, T, A).

        Raises ValueError where the vocabulary has no room for the alphabet.
        """
        if not len(actions):
            raise ValueError("there is no whole chunk to learn merges from")
        coefficients = self._coefficients(actions.to(self.mean.device))
        numbers = coefficients.round().long()
        low, high = int(numbers.min()), int(numbers.max())
        size = high - low + 1
        if size > self.vocab_size - 1:
            raise ValueError(
                f"the coefficients take {size} values ({low} to {high}), and a vocabulary of {self.vocab_size} has "
                f"room for {self.vocab_size - 1}: use a step above {self.coefficient_step}, or a larger vocab_size"
            )
        if len(numbers) > MOST_CHUNKS:
            numbers = numbers[torch.linspace(0, len(numbers) - 1, MOST_CHUNKS).long()]
        pairs = BytePairs.learn((numbers - low).cpu().numpy(), size, self.vocab_size - 1)
        self.alphabet.copy_(torch.tensor([low, high]))
        self.merges.fill_(-1)
        self.merges[: len(pairs.merges)] = torch.from_numpy(pairs.merges)
        self.mean.copy_(coefficients.mean(dim=0))
        self._pairs = None

    def check_fitted(self) -> None:
        super().check_fitted()
        low, high = self.alphabet.tolist()
        merges = self.merges[self.merges[:, 0] >= 0].cpu().numpy()
        if high - low + 1 > self.vocab_size - 1 - len(merges):
            raise ValueError(
                f"tokenizer: an alphabet of {high - low + 1} symbols has no room in {self.vocab_size} tokens"
            )
        check_merges(max(0, high - low + 1), merges)

    def points(self) -> TokenPoints:
        """Return tokens without coordinates, (1, V, 0), and after `fit` which of them there are."""
        merges = int((self.merges[:, 0] >= 0).sum())
        known = 2 + int(self.alphabet[1] - self.alphabet[0]) + merges if self._is_fitted() else self.vocab_size
        valid = torch.arange(self.vocab_size)[None] < known
        return TokenPoints(
            points=torch.zeros(1, self.vocab_size, 0, dtype=torch.float64),
            groups=torch.zeros(self.tokens_per_chunk, dtype=torch.long),
            valid=None if valid.all() else valid,
        )

    def padding_mask(self, is_padding: Tensor) -> Tensor:
        return torch.zeros(*is_padding.shape[:-1], self.tokens_per_chunk, dtype=torch.bool, device=is_padding.device)

    def config(self) -> dict[str, Any]:
        return {
            "name": "fast",
            "horizon": self.horizon,
            "vocab_size": self.vocab_size,
            "step": self.coefficient_step,
            "max_tokens": self.max_tokens,
        }

    def _encode(self, actions: Tensor) -> Tensor:
        chunks = actions.reshape(-1, *actions.shape[-2:])
        tokens = settle(chunks, lambda x: self._merged(self._coefficients(x))[:, None], self._decode)
        return tokens.reshape(*actions.shape[:-2], self.tokens_per_chunk)

    def _merged(self, coefficients: Tensor) -> Tensor:
        """Return tokens (B, L) of coefficients (B, T * A)."""
        pairs = self._byte_pairs()
        low, high = self.alphabet.tolist()
        symbols = coefficients.round().clamp(low, high).long() - low
        tokens = np.full((len(symbols), self.tokens_per_chunk), PADDING)
        for row, chunk in zip(tokens, symbols.tolist(), strict=True):
            merged = pairs.encode(tuple(chunk))[: self.tokens_per_chunk]
            row[: len(merged)] = merged
            row[: len(merged)] += 1
        return torch.from_numpy(tokens).to(coefficients.device)

    def _decode(self, tokens: Tensor) -> Tensor:
        expansions = self._byte_pairs().expansions
        low, count = int(self.alphabet[0]), len(self.mean)
        coefficients = self.mean.repeat(tokens.shape[:-1].numel(), 1)
        for row, sequence in enumerate(tokens.reshape(-1, self.tokens_per_chunk).tolist()):
            known = (token - 1 for token in sequence if PADDING < token <= len(expansions))
            symbols = [symbol for token in known for symbol in expansions[token]][:count]
            coefficients[row, : len(symbols)] = torch.tensor(symbols, dtype=torch.float64, device=tokens.device) + low
        frequencies = coefficients.view(*tokens.shape[:-1], self.horizon, len(self.moving))
        steps = self._transform.T @ (frequencies * self.coefficient_step * self._tolerance)
        return self.in_limits(steps + (self._low + self._high) / 2).float()

    def _coefficients(self, actions: Tensor) -> Tensor:
        """Return the coefficients (B, T * A) of actions (B, T, A), in steps."""
        within = self.in_limits(actions)
        period = self._high - self._low
        moves = torch.remainder(within.diff(dim=-2) + period / 2, period) - period / 2
        first = within[..., :1, :]
        unwrapped = torch.cat([first, first + moves.cumsum(dim=-2)], dim=-2)
        from_middle = torch.where(self._wraps, unwrapped, within) - (self._low + self._high) / 2
        return (self._transform @ (from_middle / (self.coefficient_step * self._tolerance))).flatten(-2)

    def _byte_pairs(self) -> BytePairs:
        """Return the merges in a form that is quick to use. Raises ValueError before `fit`."""
        if self._pairs is None:
            low, high = self.alphabet.tolist()
            if not self._is_fitted():
                raise ValueError("fast has no vocabulary yet: call fit with recorded chunks first")
            merges = self.merges.cpu().numpy()
            self._pairs = BytePairs(high - low + 1, merges[merges[:, 0] >= 0])
        return self._pairs

    def _is_fitted(self) -> bool:
        return bool(self.alphabet[0] <= self.alphabet[1])

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._pairs = None
