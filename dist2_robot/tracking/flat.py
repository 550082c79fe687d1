"""The numbers of a nested record by one name each."""

from collections.abc import Iterator, Mapping
from typing import Any


def flat_numbers(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield ``prefix/name/inner name`` and number; what is no number, and the step, is left out."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat_numbers(f"{prefix}/{key}", value)
        elif isinstance(value, int | float) and key != "step":
            yield f"{prefix}/{key}", value
