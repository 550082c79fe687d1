"""Whether two sides mean the same numbers in the same units."""

from collections.abc import Iterator, Sequence

UNKNOWN = "?"
# How the unit of recorded numbers is told, for the lines that ask for it.
WRITE_SPEC = "dist2-validate dataset.root=... write_spec=arm.yaml"


def unit_differences(
    names: Sequence[str], wanted: Sequence[str], given: Sequence[str]
) -> Iterator[tuple[list[str], str, str]]:
    """Yield the names whose unit differs, with the wanted and the given one, in groups of the same two units.

    All that is unknown on one side makes one group, with the units of the other side in a row. Two units that nobody
    knows are the same: nothing is known of either side.
    """
    groups: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for name, one, other in zip(names, wanted, given, strict=True):
        if one != other:
            key = (one if other != UNKNOWN else "", other if one != UNKNOWN else "")
            groups.setdefault(key, []).append((name, one, other))
    for group in groups.values():
        some, ones, others = zip(*group, strict=True)
        yield list(some), ", ".join(dict.fromkeys(ones)), ", ".join(dict.fromkeys(others))
