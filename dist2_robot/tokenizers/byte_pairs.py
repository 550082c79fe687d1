"""Byte-pair merges of whole numbers (Gage 1994): the pair that is seen most often becomes a symbol of its own.

N sequences of n symbols each, M merges.
"""

from itertools import pairwise

import numpy as np

LONGEST_RUN = 2**20  # symbols; a chunk has some thousands of coefficients
MOST_REMEMBERED = 2**14  # sequences; a training sees the same ones again and again


class BytePairs:
    """Symbols 0 to ``alphabet - 1`` and one more for each merge, ``alphabet + m`` for merge m.

    Attributes:
        merges: (M, 2), the two symbols that each merge joins, the most frequent pair first.
        expansions: What each symbol stands for, as symbols of the alphabet.
    """

    def __init__(self, alphabet: int, merges: np.ndarray) -> None:
        """Args: alphabet: How many symbols there are before the merges. merges: (M, 2)."""
        self.alphabet = alphabet
        self.merges = merges
        self.expansions: list[list[int]] = [[symbol] for symbol in range(alphabet)]
        for left, right in merges.tolist():
            self.expansions.append(self.expansions[left] + self.expansions[right])
        self._remembered: dict[tuple[int, ...], list[int]] = {}
        self._ranks = {(left, right): rank for rank, (left, right) in enumerate(merges.tolist())}

    @classmethod
    def learn(cls, sequences: np.ndarray, alphabet: int, most_symbols: int) -> "BytePairs":
        """Learn merges from sequences (N, n) until there are as many symbols as allowed, or no pair is seen twice.

        Of pairs that are seen equally often the one with the smaller symbols is merged. Pairs never cross the end of a
        sequence. Counting takes memory of the square of the number of symbols.
        """
        stream = np.pad(sequences, ((0, 0), (0, 1)), constant_values=-1).ravel()  # -1 ends a sequence
        merges: list[tuple[int, int]] = []
        while alphabet + len(merges) < most_symbols:
            known = alphabet + len(merges)
            together = (stream[:-1] >= 0) & (stream[1:] >= 0)
            pair = np.where(together, stream[:-1] * known + stream[1:], -1)
            counts = np.bincount(pair[together])
            if not len(counts) or counts.max() < 2:
                break
            best = int(counts.argmax())
            merges.append(divmod(best, known))
            stream = _merge(stream, np.flatnonzero(pair == best), known)
        return cls(alphabet, np.array(merges, dtype=np.int64).reshape(-1, 2))

    def encode(self, symbols: tuple[int, ...]) -> list[int]:
        """Return symbols of the alphabet after all merges, the earliest learned first."""
        if symbols not in self._remembered:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[symbols] = self._encode(symbols)
        return self._remembered[symbols]

    def _encode(self, symbols: tuple[int, ...]) -> list[int]:
        merged, unknown = list(symbols), len(self._ranks)
        while len(merged) > 1:
            ranks = [self._ranks.get(pair, unknown) for pair in pairwise(merged)]
            best = min(ranks)
            if best == unknown:
                break
            out, i = [], 0
            while i < len(merged):
                is_pair = i < len(ranks) and ranks[i] == best
                out.append(self.alphabet + best if is_pair else merged[i])
                i += 2 if is_pair else 1
            merged = out
        return merged


def check_merges(alphabet: int, merges: np.ndarray) -> None:
    """Raise ValueError unless each merge (M, 2) joins symbols before it, to a run of a length that can be written out.

    Sixty merges of a symbol with itself would stand for 2^60 symbols.
    """
    lengths = [1] * alphabet
    for left, right in merges.tolist():
        known = len(lengths)
        if not (0 <= left < known and 0 <= right < known) or lengths[left] + lengths[right] > LONGEST_RUN:
            raise ValueError(
                f"tokenizer: merge {known - alphabet} of the symbols {left} and {right} cannot have been learned"
            )
        lengths.append(lengths[left] + lengths[right])


def _merge(stream: np.ndarray, places: np.ndarray, symbol: int) -> np.ndarray:
    """Return the stream with a symbol in place of the pairs that begin at some places, from left to right.

    Of places next to each other, in a run of equal symbols, every other one counts.
    """
    starts = np.flatnonzero(np.diff(places, prepend=-2) > 1)  # of runs of places
    in_run = np.arange(len(places)) - np.repeat(starts, np.diff(starts, append=len(places)))
    places = places[in_run % 2 == 0]
    stream = stream.copy()
    stream[places] = symbol
    return np.delete(stream, places + 1)
