"""The contract of a distance between two values of one action dimension."""

from typing import Protocol

from torch import Tensor


class Distance(Protocol):
    """Symmetric, non-negative, zero on the diagonal.

    ``unit`` says what a step of 1 is: ``tolerance`` (the error that matters, so that one temperature fits every
    dimension) or ``bins`` (the distance between neighbouring tokens, the published setting).
    """

    unit: str

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        """Return d(a, b), broadcast.

        Args:
            a: Values, divided by the unit.
            b: Values, divided by the unit.
            period: The length after which values repeat, divided by the unit, for a dimension that wraps.
        """
        ...


def check_unit(unit: str) -> str:
    """Return the unit, or raise ValueError if there is no such unit of distance."""
    if unit not in ("tolerance", "bins"):
        raise ValueError(f"a distance is measured in 'tolerance' or 'bins', not in '{unit}'")
    return unit
