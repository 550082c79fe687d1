"""One measurement of a claim: a method, with so much data, from one seed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Trial:
    """Trials of one part, size and seed differ in nothing but the method: they are compared in pairs.

    Attributes:
        part: Of the claim: ``core``, or a sweep.
        method: What tables call it; a folder name.
        size: How much it learns from, in the unit of the claim.
        seed: Of data, weights and order.
        settings: Plain values that `Claim.execute` reads.
    """

    part: str
    method: str
    size: int
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    may_be_refused = False  # what is asked for by name goes together

    @property
    def name(self) -> str:
        return f"{self.part}/{self.method}/size{self.size}-seed{self.seed}"

    def describe(self) -> dict[str, Any]:
        """Return plain values that tell whether it is the same work."""
        return asdict(self)
