"""Whether two sides mean the same numbers in the same units."""

from collections.abc import Iterator, Sequence
from itertools import groupby

UNKNOWN = "?"
# How the unit of recorded numbers is told, for the lines that ask for it.
WRITE_SPEC = "dist2-validate dataset.root=... write_spec=arm.yaml"


def unit_differences(
    names: Sequence[str], wanted: Sequence[str], given: Sequence[str]
) -> Iterator[tuple[list[str], str, str]]:
    """Yield the names whose unit differs, with the wanted and the given one, in groups of the same two units.

    Two units that nobody knows are the same: nothing is known of either side.
    """
    differing = [(one, other, name) for name, one, other in zip(names, wanted, given, strict=True) if one != other]
    for (one, other), group in groupby(sorted(differing, key=lambda x: x[:2]), key=lambda x: x[:2]):
        yield [name for *_, name in group], one, other
