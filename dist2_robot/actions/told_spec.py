"""What somebody tells of the numbers of a recording: some entries of some of its numbers, checked one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from dist2_robot.actions.spec import UNKNOWN_UNIT, ActionDimension, ControlMode
from dist2_robot.errors import InputError, did_you_mean

ENTRIES = ("kind", "unit", "low", "high", "tolerance", "wraps")  # of one number
TOP = ("rate_hz", "control_mode")


@dataclass(frozen=True)
class ToldDimension:
    """What is told of one number.

    Attributes:
        name: What it is called from now on.
        recorded_as: What the recording calls it; None for the same, or where the recording names nothing.
        entries: Those of `ENTRIES` that are told.
    """

    name: str
    recorded_as: str | None = None
    entries: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ToldSpec:
    """What is told of a recording.

    Attributes:
        teller: Who tells, for messages: a file, or an option.
        features: ``action``, ``observation.state``, ... -> what is told of its numbers.
        rate_hz: Actions a second; None if not told.
        control_mode: What an action is relative to; None if not told.
    """

    teller: str
    features: Mapping[str, tuple[ToldDimension, ...]]
    rate_hz: float | None = None
    control_mode: ControlMode | None = None


def told_spec(content: Mapping[str, Any], teller: str) -> ToldSpec:
    """Return what plain values tell. Raises InputError, naming teller and entry, for what makes no sense.

    Args:
        content: ``rate_hz``, ``control_mode``, and features with a list of dimensions each.
        teller: For messages.
    """
    for key in content:
        if key not in (*TOP, "action") and not str(key).startswith("observation."):
            raise InputError(f"{teller}: unknown entry {key!r}: it has {', '.join(TOP)}, action, observation.<name>")
    rate_hz, mode = content.get("rate_hz"), content.get("control_mode")
    if rate_hz is not None and (type(rate_hz) not in (int, float) or not 0 < rate_hz < 1e6):
        raise InputError(f"{teller}: rate_hz must be a positive number, got {rate_hz!r}")
    if mode is not None and mode not in get_args(ControlMode):
        raise InputError(f"{teller}: control_mode must be one of {', '.join(get_args(ControlMode))}, got {mode!r}")
    features = {str(key): _dimensions(str(key), content[key], teller) for key in content if key not in TOP}
    return ToldSpec(teller, features, rate_hz, mode)


def _dimensions(feature: str, told: Any, teller: str) -> tuple[ToldDimension, ...]:
    if not isinstance(told, Sequence) or isinstance(told, str) or not told:
        raise InputError(f"{teller}: {feature} must be a list of dimensions, each with a name, got {told!r}")
    found = tuple(_dimension(feature, i, entry, teller) for i, entry in enumerate(told))
    names = [dimension.name for dimension in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{teller}: {feature} names '{twice[0]}' twice")
    return found


def _dimension(feature: str, index: int, told: Any, teller: str) -> ToldDimension:
    where = f"{teller}: {feature}, entry {index}"
    if not isinstance(told, Mapping) or not isinstance(told.get("name"), str) or not told["name"]:
        raise InputError(f"{where} needs a name, e.g. {{name: shoulder_pan.pos, unit: deg}}, got {told!r}")
    where = f"{teller}: {feature}, '{told['name']}'"
    known = ("name", "recorded_as", *ENTRIES)
    for key in told:
        if key not in known:
            raise InputError(
                f"{where}: unknown entry {key!r}.{did_you_mean(str(key), known)} Known: {', '.join(known)}"
            )
    recorded_as = told.get("recorded_as")
    if recorded_as is not None and not isinstance(recorded_as, str):
        raise InputError(f"{where}: recorded_as must be a name, got {recorded_as!r}")
    entries = {key: told[key] for key in ENTRIES if told.get(key) is not None}
    if entries.get("unit") == UNKNOWN_UNIT:  # left open in a file that was written as a proposal
        del entries["unit"]
    if not isinstance(entries.get("unit", ""), str) or not entries.get("unit", "?"):
        raise InputError(f"{where}: unit must be a text such as deg, rad, m or '%', got {entries['unit']!r}")
    sane = {"kind": "joint", "unit": "?", **entries}
    try:  # what makes no sense in itself is refused before any recording is looked at
        low = sane.pop("low", min(-1.0, _number(sane.get("high"), 0.0) - 1))
        ActionDimension(told["name"], low=low, high=sane.pop("high", max(1.0, _number(low, 0.0) + 1)), **sane)
    except InputError as error:
        raise InputError(f"{teller}: {feature}: {error}") from error
    return ToldDimension(told["name"], recorded_as, entries)


def _number(value: Any, otherwise: float) -> float:
    return float(value) if type(value) in (int, float) else otherwise


def told_by_environment(env: Mapping[str, Any]) -> list[ToldSpec]:
    """Return what the options of an environment tell of a recording: ``env.action``, ``env.observation``.

    Args:
        env: The group ``env``; of environments that publish what they are, nothing is told.
    """
    action, observation = env.get("action") or {}, env.get("observation") or {}
    names, units = (observation.get(key) or {} for key in ("names", "units"))
    content: dict[str, Any] = {
        f"observation.{part}": [
            {"name": name, "unit": unit} for name, unit in zip(names[part], units[part], strict=False)
        ]
        for part in names
        if part in units and len(names[part]) == len(units[part])
    }
    if action.get("dimensions"):
        content |= {"action": action["dimensions"], "control_mode": action.get("control_mode")}
    return [told_spec(content, "env.action or env.observation")] if content else []


def merge_told(told: Sequence[ToldSpec]) -> ToldSpec:
    """Return all that is told as one. Raises InputError where two tellers differ."""
    if not told:
        return ToldSpec("", {})
    first, *rest = told
    for other in rest:
        features = dict(first.features)
        for key, dimensions in other.features.items():
            features[key] = _agreed(features[key], dimensions, key, first, other) if key in features else dimensions
        for entry in ("rate_hz", "control_mode"):
            mine, theirs = getattr(first, entry), getattr(other, entry)
            if None not in (mine, theirs) and mine != theirs:
                raise InputError(f"{entry} is {mine} in {first.teller} and {theirs} in {other.teller}: make them one")
        first = ToldSpec(
            f"{first.teller} and {other.teller}",
            features,
            first.rate_hz if first.rate_hz is not None else other.rate_hz,
            first.control_mode or other.control_mode,
        )
    return first


def _agreed(
    mine: Sequence[ToldDimension], theirs: Sequence[ToldDimension], feature: str, first: ToldSpec, other: ToldSpec
) -> tuple[ToldDimension, ...]:
    if [d.name for d in mine] != [d.name for d in theirs]:
        raise InputError(f"{feature} is {[d.name for d in mine]} in {first.teller} and {[d.name for d in theirs]} in "
                         f"{other.teller}: make them one")  # fmt: skip
    agreed = []
    for a, b in zip(mine, theirs, strict=True):
        for entry in set(a.entries) & set(b.entries):
            if a.entries[entry] != b.entries[entry]:
                raise InputError(
                    f"{feature} '{a.name}': {entry} is {a.entries[entry]} in {first.teller} and {b.entries[entry]} in "
                    f"{other.teller}: make them one"
                )
        agreed.append(replace(a, entries={**a.entries, **b.entries}))
    return tuple(agreed)
