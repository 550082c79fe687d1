"""Tokens that a second round trip leaves as they are. N chunks, K candidates of each, L tokens."""

from collections.abc import Callable

import torch
from torch import Tensor

MOST_TRIPS = 16  # one is enough for nearly all recorded chunks


def settle(chunks: Tensor, candidates: Callable[[Tensor], Tensor], decode: Callable[[Tensor], Tensor]) -> Tensor:
    """Return tokens (N, L) of chunks, such that the chunks they decode to have the same tokens.

    Where the tokens of a chunk overlap, or actions are cut to the limits after decoding, what was decoded may be
    encoded otherwise. So the first of the candidates is chosen that is its own encoding. Where there is none, the best
    one is decoded, and the search begins anew there. Where that goes round in a circle, the lexicographically smallest
    of its members stands for all of them. ``decode(encode(.))`` is then idempotent.

    Args:
        chunks: (N, ...).
        candidates: From chunks to tokens (n, K, L), best first.
        decode: From tokens (n, L) to chunks.
    """

    def once_more(tokens: Tensor) -> Tensor:
        return candidates(decode(tokens))[:, 0]

    tokens, is_settled = _first_settled(candidates(chunks), once_more)
    left = (~is_settled).nonzero()[:, 0]
    for _ in range(MOST_TRIPS):
        if not len(left):
            return tokens
        tokens[left], is_settled = _first_settled(candidates(decode(tokens[left])), once_more)
        left = left[~is_settled]
    here = smallest = tokens[left]
    for _ in range(MOST_TRIPS):
        here = once_more(here)
        smallest = torch.where(_is_smaller(here, smallest), here, smallest)
    tokens[left] = smallest
    return tokens


def _first_settled(options: Tensor, once_more: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return the first option (n, L) of each that is its own encoding, else the best, and whether it is (n,)."""
    chosen = options[:, 0].clone()
    is_settled = torch.zeros(len(options), dtype=torch.bool, device=options.device)
    for option in options.unbind(1):
        open_ones = (~is_settled).nonzero()[:, 0]
        if not len(open_ones):
            break
        option = option[open_ones]
        same = (once_more(option) == option).all(dim=-1)
        chosen[open_ones[same]] = option[same]
        is_settled[open_ones[same]] = True
    return chosen, is_settled


def _is_smaller(a: Tensor, b: Tensor) -> Tensor:
    """Return whether rows of a come before those of b, (n, 1)."""
    first = (a != b).int().argmax(dim=-1, keepdim=True)  # where they differ first
    return a.gather(-1, first) < b.gather(-1, first)
