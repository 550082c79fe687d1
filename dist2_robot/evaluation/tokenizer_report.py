"""What a tokenizer costs and what it loses, on recorded actions.

B chunks, T steps, A action dimensions, M of them move, L tokens of a chunk, G groups of positions that share their
tokens' meaning, V tokens.
"""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.distances.difference import difference
from dist2_robot.distances.points import TokenPoints
from dist2_robot.tokenizers.fast import PADDING, FastTokenizer
from dist2_robot.tokenizers.tokenizer import Tokenizer

MOST_CHUNKS = 2**13  # to measure on, evenly spaced
CELLS = 48  # of the histogram of tokens
TRAINING_BATCH = 64  # chunks that are encoded at a time when timed
DECODED = 64  # chunks that are decoded when timed


@dataclass(frozen=True)
class TokenizerReport:
    """Attributes:
    label: The name of the tokenizer, and what was changed of its settings.
    config: Its settings.
    kind: ``numbers``, ``codes`` or ``symbols``: whether tokens have an order and distances, only distances, or none.
    tokens: L, of a chunk.
    tokens_used: Of them on average; the rest is padding, which counts nowhere below.
    tokens_per_s: L over the duration of a chunk.
    vocab_size: V.
    bits_per_s: Of the tokens that there are, all equally likely.
    error: ``mean``, ``p99`` and ``max`` of |round trip - action| over steps and dimensions that move, in tolerances.
    error_by_dimension: Dimension that moves -> mean error in its unit.
    tolerances_by_dimension: Dimension that moves -> mean error in tolerances.
    occupied: Share of the tokens that are ever used, mean over groups.
    perplexity: exp(entropy) of the tokens that are used, as a share of all, mean over groups: 1 if used evenly.
    histogram: (CELLS,), use of the tokens from the first to the last, 1 where even; for codes and symbols from the most
        to the least used.
    saturated: Share of tokens that are an outermost bin; None where bins have no ends.
    fit_s: Time to learn.
    encode_us: Time for a chunk, in batches of 64.
    decode_us: Time for a chunk by itself.
    """

    label: str
    config: dict[str, Any]
    kind: str
    tokens: int
    tokens_used: float
    tokens_per_s: float
    vocab_size: int
    bits_per_s: float
    error: dict[str, float]
    error_by_dimension: dict[str, float]
    tolerances_by_dimension: dict[str, float]
    occupied: float
    perplexity: float
    histogram: list[float]
    saturated: float | None
    fit_s: float
    encode_us: float
    decode_us: float


def measure_tokenizer(
    label: str, tokenizer: Tokenizer, training: ChunkWindows, held_out: ChunkWindows
) -> TokenizerReport:
    """Fit a tokenizer on whole chunks and measure it.

    Args:
        label: What to call it.
        tokenizer: Not fitted yet.
        training: What it learns from, and where its tokens are counted.
        held_out: Where its errors are measured, on the steps that are no padding.

    Raises:
        ValueError: It cannot learn from these chunks.
    """
    actions, is_padding = training.chunks(torch.arange(len(training)))
    whole = actions[~is_padding.any(dim=1)]
    started = time.perf_counter()
    tokenizer.fit(whole)
    fit_s = time.perf_counter() - started
    tokens, encode_us = _encode(tokenizer, whole[_spaced(len(whole))])
    is_used = tokens != PADDING if isinstance(tokenizer, FastTokenizer) else torch.ones_like(tokens, dtype=torch.bool)
    points = tokenizer.points()
    valid = torch.ones(points.points.shape[:2], dtype=torch.bool) if points.valid is None else points.valid
    counts = _count(tokens, points.groups, is_used, len(valid), tokenizer.vocab_size)
    uses = [count[there] for count, there in zip(counts, valid, strict=True)]
    duration_s = tokenizer.horizon / tokenizer.spec.rate_hz
    return TokenizerReport(
        label=label,
        config=tokenizer.config(),
        kind="numbers" if tokenizer.is_ordered else "codes" if points.points.shape[-1] else "symbols",
        tokens=tokenizer.tokens_per_chunk,
        tokens_used=float(is_used.double().sum(dim=1).mean()),
        tokens_per_s=tokenizer.tokens_per_chunk / duration_s,
        vocab_size=tokenizer.vocab_size,
        bits_per_s=float(valid.sum(dim=1).double().log2()[points.groups].sum()) / duration_s,
        **_errors(tokenizer, held_out),
        occupied=statistics.fmean(float((use > 0).double().mean()) for use in uses),
        perplexity=statistics.fmean(_perplexity(use) / len(use) for use in uses),
        histogram=_histogram(uses, in_order=tokenizer.is_ordered),
        saturated=_saturated(uses, points),
        fit_s=fit_s,
        encode_us=encode_us,
        decode_us=_decode_us(tokenizer, tokens),
    )


def frontier(reports: Sequence[TokenizerReport]) -> list[TokenizerReport]:
    """Return those that no other beats in both tokens and mean error, by ascending number of tokens."""
    best, kept = math.inf, []
    for report in sorted(reports, key=lambda r: (r.tokens_per_s, r.error["mean"])):
        if report.error["mean"] < best:
            best = report.error["mean"]
            kept.append(report)
    return kept


def share_at_limits(spec: ActionSpec, windows: ChunkWindows) -> dict[str, float]:
    """Return the share of recorded actions at or beyond their limits, of dimensions that move and do not wrap."""
    actions = windows.chunks(torch.arange(len(windows)))[0][:, 0].double()
    return {
        d.name: float(((column <= d.low) | (column >= d.high)).double().mean())
        for d, column in zip(spec.dimensions, actions.T, strict=True)
        if not d.wraps and d.constant is None
    }


def _errors(tokenizer: Tokenizer, windows: ChunkWindows) -> dict[str, Any]:
    actions, is_padding = windows.chunks(_spaced(len(windows)))
    error = (tokenizer.decode(tokenizer.encode(actions)).double() - actions.double()).abs()
    for i, d in enumerate(tokenizer.spec.dimensions):
        if d.wraps:
            error[..., i] = difference(error[..., i, None], torch.zeros(1), d.high - d.low)[..., 0].abs()
    error = tokenizer.columns.take(error[~is_padding])  # (steps, M): what costs nothing must not make means smaller
    scaled = error / torch.tensor([d.tolerance for d in tokenizer.moving.dimensions], dtype=torch.float64)
    flat = scaled.flatten().sort().values
    return {
        "error": {
            "mean": float(flat.mean()),
            "p99": float(flat[math.ceil(0.99 * len(flat)) - 1]),
            "max": float(flat[-1]),
        },
        "error_by_dimension": dict(zip(tokenizer.moving.names, error.mean(dim=0).tolist(), strict=True)),
        "tolerances_by_dimension": dict(zip(tokenizer.moving.names, scaled.mean(dim=0).tolist(), strict=True)),
    }


def _count(tokens: Tensor, groups: Tensor, is_used: Tensor, group_count: int, vocab_size: int) -> Tensor:
    """Return how often each token of each group is used, (G, V), float64."""
    flat = (tokens + groups * vocab_size)[is_used]
    return torch.bincount(flat, minlength=group_count * vocab_size).view(group_count, vocab_size).double()


def _perplexity(use: Tensor) -> float:
    share = use / use.sum()
    return math.exp(-float(torch.xlogy(share, share).sum()))


def _histogram(uses: Sequence[Tensor], in_order: bool) -> list[float]:
    """Return the mean over groups of the use of equal parts of the vocabulary, (CELLS,), 1 where even."""
    cells = []
    for use in uses:
        line = use if in_order else use.sort(descending=True).values
        below = torch.nn.functional.pad((line / line.sum()).cumsum(0), (1, 0))
        place = torch.linspace(0, len(line), CELLS + 1, dtype=torch.float64)
        floor = place.floor().long().clamp(max=len(line) - 1)
        at = torch.lerp(below[floor], below[floor + 1], place - floor)
        cells.append(at.diff() * CELLS)
    return torch.stack(cells).mean(dim=0).tolist()


def _saturated(uses: Sequence[Tensor], points: TokenPoints) -> float | None:
    """Return the share of outermost bins among the tokens; None where tokens are no bins, or go round a circle."""
    if points.periods is None or not points.is_ordered or points.digits > 1:
        return None
    ends = [use for use, period in zip(uses, points.periods.tolist(), strict=True) if math.isinf(period)]
    if not ends:
        return None
    return float(sum(use[0] + use[-1] for use in ends) / sum(use.sum() for use in ends))


def _spaced(count: int, most: int = MOST_CHUNKS) -> Tensor:
    return torch.arange(count) if count <= most else torch.linspace(0, count - 1, most).long()


def _encode(tokenizer: Tokenizer, chunks: Tensor) -> tuple[Tensor, float]:
    """Return the tokens of chunks that were never encoded before, and microseconds a chunk."""
    started = time.perf_counter()
    tokens = torch.cat([tokenizer.encode(part) for part in chunks.split(TRAINING_BATCH)])
    return tokens, 1e6 * (time.perf_counter() - started) / len(chunks)


def _decode_us(tokenizer: Tokenizer, tokens: Tensor) -> float:
    """Return the median of the microseconds that single chunks take."""
    times = []
    for chunk in tokens[_spaced(len(tokens), DECODED)].split(1):
        started = time.perf_counter()
        tokenizer.decode(chunk)
        times.append(time.perf_counter() - started)
    return 1e6 * statistics.median(times)
