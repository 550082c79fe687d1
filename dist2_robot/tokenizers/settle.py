"""Tokens that a second round trip leaves as they are. N chunks, K candidates of each, L tokens."""

from collections.abc import Callable

import torch
from torch import Tensor


def settle(chunks: Tensor, candidates: Callable[[Tensor], Tensor], decode: Callable[[Tensor], Tensor]) -> Tensor:
    """Return tokens (N, L) of chunks, such that the chunks they decode to have the same tokens.

    Where the tokens of a chunk overlap, or actions are cut to the limits after decoding, what was decoded may be
    encoded otherwise. So the first of the candidates is chosen that is its own encoding. Where there is none, the best
    one is decoded, and the search begins anew there. Where that goes round in a circle, the lexicographically smallest
    of its members stands for all of them. ``decode(encode(.))`` is then idempotent.

    Recorded chunks take one trip, and some two; chunks far from all limits take up to a hundred.

    Args:
        chunks: (N, ...).
        candidates: From chunks to tokens (n, K, L), best first.
        decode: From tokens (n, L) to chunks.
    """

    def once_more(tokens: Tensor) -> Tensor:
        return candidates(decode(tokens))[:, 0]

    tokens, is_settled = _first_settled(candidates(chunks), once_more)
    left, anchor, trip = (~is_settled).nonzero()[:, 0], tokens.clone(), 1
    while len(left):
        tokens[left], is_settled = _first_settled(candidates(decode(tokens[left])), once_more)
        left = left[~is_settled]
        is_circle = (tokens[left] == anchor[left]).all(dim=-1)
        if is_circle.any():
            tokens[left[is_circle]] = _smallest_of_circle(tokens[left[is_circle]], once_more)
            left = left[~is_circle]
        trip += 1
        if trip & (trip - 1) == 0:  # at powers of two the anchor moves on, at last into the circle (Brent 1980)
            anchor[left] = tokens[left]
    return tokens


def _first_settled(options: Tensor, once_more: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return the first option (n, L) of each that is its own encoding, else the best, and whether it is (n,)."""
    chosen = options[:, 0].clone()
    is_settled = torch.zeros(len(options), dtype=torch.bool, device=options.device)
    for option in options.unbind(1):
        open_ones = (~is_settled).nonzero()[:, 0]
        if not len(open_ones):
            break
        tried = option[open_ones]
        same = (once_more(tried) == tried).all(dim=-1)
        chosen[open_ones[same]] = tried[same]
        is_settled[open_ones[same]] = True
    return chosen, is_settled


def _smallest_of_circle(start: Tensor, once_more: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the smallest tokens (n, L) on the circles that begin at some tokens."""
    here = smallest = start
    is_round = torch.zeros(len(start), dtype=torch.bool, device=start.device)
    while not is_round.all():
        here = once_more(here)
        first = (here != smallest).int().argmax(dim=-1, keepdim=True)  # where they differ first
        smallest = torch.where(here.gather(-1, first) < smallest.gather(-1, first), here, smallest)
        is_round |= (here == start).all(dim=-1)
    return smallest
