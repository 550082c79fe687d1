"""What an action is: named dimensions with units, limits and the error that matters in each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from typing import Any, Literal, get_args

from dist2_robot.errors import InputError

Kind = Literal["joint", "ee_position", "ee_rotation", "gripper", "score"]
ControlMode = Literal["absolute", "delta", "relative"]

UNKNOWN_UNIT = "?"

DEFAULT_TOLERANCE = 0.01  # of the range
MAX_NAME = 256  # letters


@dataclass(frozen=True)
class ActionDimension:
    """One number of an action.

    Attributes:
        name: Unique within the spec, e.g. ``shoulder_pan.pos``.
        kind: What the number moves, or ``score`` where it rates. Grippers are never averaged when decoding.
        unit: The unit of the number itself: ``rad``, ``deg``, ``m``, ``cm``, ``%``, ... or ``?`` (`UNKNOWN_UNIT`)
            where nobody told.
        low: Smallest value, in that unit.
        high: Largest value, in that unit.
        wraps: Whether ``low`` and ``high`` are the same place, as for a free angle.
        tolerance: The error that matters, in that unit. Distances between tokens are measured in it.
        constant: What every recorded action has here, if it never moved: it is sent as it is, and not predicted.
    """

    name: str
    kind: Kind
    unit: str
    low: float
    high: float
    wraps: bool = False
    tolerance: float = math.nan  # becomes 1 % of the range
    constant: float | None = None

    def __post_init__(self) -> None:
        for entry in ("name", "unit"):
            value = getattr(self, entry)
            if not isinstance(value, str) or len(value) > MAX_NAME or (entry == "name" and not value):
                raise InputError(f"an action dimension needs a {entry} in letters, got {str(value)[:60]!r}")
        if not isinstance(self.kind, str) or self.kind not in get_args(Kind):
            raise InputError(f"action dimension '{self.name}': kind '{self.kind}' is none of {get_args(Kind)}")
        for entry in ("low", "high", "tolerance"):
            value = getattr(self, entry)
            if not isinstance(value, Real) or isinstance(value, bool):
                raise InputError(f"action dimension '{self.name}': {entry} must be a number, got {value!r}")
            try:
                object.__setattr__(self, entry, float(value))
            except OverflowError:
                raise InputError(f"action dimension '{self.name}': {entry} is too large a number") from None
        if not isinstance(self.wraps, bool):
            raise InputError(f"action dimension '{self.name}': wraps must be true or false, got {self.wraps!r}")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(f"action dimension '{self.name}': needs finite low < high, got [{self.low}, {self.high}]")
        if math.isnan(self.tolerance):
            object.__setattr__(self, "tolerance", DEFAULT_TOLERANCE * (self.high - self.low))
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise InputError(f"action dimension '{self.name}': tolerance must be positive, got {self.tolerance}")
        if self.constant is not None:
            self._check_constant()

    def _check_constant(self) -> None:
        value = self.constant
        if isinstance(value, bool) or not _is_finite(value):
            raise InputError(f"action dimension '{self.name}': constant must be a finite number, got {value!r}")
        if not (self.wraps or self.low <= value <= self.high):  # a turn more is the same angle
            raise InputError(
                f"action dimension '{self.name}': its constant {value:g} must lie in [{self.low:g}, {self.high:g}]"
            )
        object.__setattr__(self, "constant", float(value))


@dataclass(frozen=True)
class ActionSpec:
    """All dimensions of an action, how they are meant, and how often one is sent.

    Attributes:
        dimensions: One entry a number, in the order in which they are sent.
        control_mode: ``absolute`` targets, ``delta`` from where the robot stands or was sent last, or ``relative`` to
            where it stood at the start of the chunk.
        rate_hz: Actions a second.
        source: Who told: ``environment``, ``robot``, ``file`` or ``data`` (guessed from recorded columns).
    """

    dimensions: tuple[ActionDimension, ...]
    control_mode: ControlMode
    rate_hz: float
    source: str

    def __post_init__(self) -> None:
        if not isinstance(self.control_mode, str) or self.control_mode not in get_args(ControlMode):
            raise InputError(f"control mode '{self.control_mode}' is none of {get_args(ControlMode)}")
        if not self.dimensions:
            raise InputError("an action spec needs at least one dimension")
        if len(set(self.names)) != len(self.names):
            raise InputError(f"action dimensions must have different names, got {list(self.names)}")
        if isinstance(self.rate_hz, bool) or not _is_finite(self.rate_hz) or not self.rate_hz > 0:
            raise InputError(f"the rate of an action spec must be a positive number, got {str(self.rate_hz)[:60]} Hz")
        object.__setattr__(self, "rate_hz", float(self.rate_hz))

    def __len__(self) -> int:
        return len(self.dimensions)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dimension.name for dimension in self.dimensions)

    @property
    def units(self) -> tuple[str, ...]:
        return tuple(dimension.unit for dimension in self.dimensions)

    @property
    def moving(self) -> "ActionSpec":
        """The same without the dimensions that are constant. Raises InputError where none is left."""
        kept = tuple(dimension for dimension in self.dimensions if dimension.constant is None)
        if not kept:
            raise InputError(
                f"the actions {list(self.names)} never move in the recordings, so there is nothing to learn: record "
                "motions, or check which columns are the actions"
            )
        return self if len(kept) == len(self) else replace(self, dimensions=kept)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` undoes it. Of ``constant`` nothing is said where there is none."""
        dimensions = [asdict(dimension) for dimension in self.dimensions]
        for entry in dimensions:
            if entry["constant"] is None:
                del entry["constant"]
        return {**asdict(self), "dimensions": dimensions}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ActionSpec":
        """Build a spec from plain values, refusing unknown and missing entries by name."""
        _check_entries("action spec", values, required=[f.name for f in fields(cls)], optional=[])
        optional = ["wraps", "tolerance", "constant"]
        required = [f.name for f in fields(ActionDimension) if f.name not in optional]
        if not isinstance(values["dimensions"], list | tuple):
            raise InputError("action spec: its dimensions are no list")
        if not isinstance(values["source"], str) or len(values["source"]) > MAX_NAME:
            raise InputError("action spec: its source is no text")
        for i, entry in enumerate(values["dimensions"]):
            name = entry.get("name", i) if isinstance(entry, Mapping) else i
            _check_entries(f"action dimension '{name}'", entry, required, optional)
        dimensions = tuple(ActionDimension(**entry) for entry in values["dimensions"])
        return cls(dimensions, values["control_mode"], values["rate_hz"], values["source"])


def _is_finite(x: Any) -> bool:
    try:
        return isinstance(x, Real) and math.isfinite(x)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _check_entries(what: str, values: Mapping[str, Any], required: Sequence[str], optional: Sequence[str]) -> None:
    if not isinstance(values, Mapping):
        raise InputError(f"{what}: needs the entries {[*required, *optional]}, got {values!r}")
    missing = [key for key in required if key not in values]
    unknown = [key for key in values if key not in required and key not in optional]
    if missing or unknown:
        raise InputError(f"{what}: missing {missing}, unknown {unknown}; it has {[*required, *optional]}")
