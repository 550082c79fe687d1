"""How the units of numbers are told to people, and whether two sides mean the same."""

from collections.abc import Iterator, Sequence

from dist2_robot.actions.spec import UNKNOWN_UNIT

# How the unit of recorded numbers is told, for the lines that ask for it.
WRITE_SPEC = "dist2-validate dataset.root=... write_spec=arm.yaml"


def shown_unit(unit: str) -> str:
    """Return a unit to print behind a number; nothing where nobody told it: a plain number is all that is known."""
    return "" if unit == UNKNOWN_UNIT else unit


def in_unit(number: str, unit: str) -> str:
    """Return a number, as text, with its unit, if that is known."""
    return f"{number} {shown_unit(unit)}".rstrip()


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
            key = (one if other != UNKNOWN_UNIT else "", other if one != UNKNOWN_UNIT else "")
            groups.setdefault(key, []).append((name, one, other))
    for group in groups.values():
        some, ones, others = zip(*group, strict=True)
        yield list(some), ", ".join(dict.fromkeys(ones)), ", ".join(dict.fromkeys(others))
