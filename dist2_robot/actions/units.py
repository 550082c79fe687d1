"""How the unit of a number is told to people."""

UNKNOWN = "?"  # nobody told


def shown_unit(unit: str) -> str:
    """Return a unit to print behind a number; nothing where nobody told it: a plain number is all that is known."""
    return "" if unit == UNKNOWN else unit


def in_unit(number: str, unit: str) -> str:
    """Return a number, as text, with its unit, if that is known."""
    return f"{number} {shown_unit(unit)}".rstrip()
