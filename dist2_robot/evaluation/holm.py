"""Several tests at once: what each p-value is worth then."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given (Holm 1979): reject where one is below the level.

    The i-th smallest of m, counted from 0, becomes ``(m - i) p``, at least what smaller ones became, at most 1.
    Whatever depends on what, the probability of any false rejection stays below the level.
    """
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = least
    return adjusted
