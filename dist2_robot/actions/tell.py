"""Units told of a policy after its training, where its recordings did not tell them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dist2_robot.actions.spec import UNKNOWN_UNIT, ActionSpec
from dist2_robot.actions.told_spec import ToldDimension, ToldSpec
from dist2_robot.errors import InputError

ROUNDED = 1e-3  # of the range: a spec file holds six digits
_ACTION = "action"


def tell_actions(spec: ActionSpec, told: ToldSpec) -> ActionSpec:
    """Return the spec with the units that are told, where it has none.

    All else was fixed when the policy was trained: it may be told again, but not otherwise.

    Raises:
        InputError: What is told differs from what the policy has.
    """
    for entry in ("control_mode", "rate_hz"):
        had, given = getattr(spec, entry), getattr(told, entry)
        if given is not None and given != had:
            raise InputError(f"{told.teller}: {entry} is {given}, the policy was trained with {had}")
    by_name = {d.name: d for d in told.features.get(_ACTION, ())}
    _check_names(by_name, spec.names, _ACTION, told.teller)
    dimensions = []
    for dimension in spec.dimensions:
        entries = by_name[dimension.name].entries if dimension.name in by_name else {}
        for entry, given in entries.items():
            had = getattr(dimension, entry)
            if entry == "unit" and had == UNKNOWN_UNIT:
                continue
            if not _is_same(had, given, dimension.high - dimension.low):
                raise InputError(
                    f"{told.teller}: '{dimension.name}' has {entry} {given}, the policy was trained with {had}: leave "
                    "it out, or train with dataset.spec="
                )
        dimensions.append(replace(dimension, unit=entries.get("unit", dimension.unit)))
    return replace(spec, dimensions=tuple(dimensions))


def tell_observed(
    names: Mapping[str, Sequence[str]], units: Mapping[str, Sequence[str]], told: ToldSpec, action: ActionSpec
) -> dict[str, list[str]]:
    """Return the units of observed numbers, with those that are told where they are unknown.

    Args:
        names: Feature -> names of its numbers.
        units: Feature -> their units, ``?`` where nobody knows; features that were never told are left out.
        told: By the user.
        action: What an action is, as told: an observed number of the name of an absolute action has its unit.

    Raises:
        InputError: What is told differs from what the policy has.
    """
    acted = dict(zip(action.names, action.units, strict=True)) if action.control_mode == "absolute" else {}
    found = {feature: list(some) for feature, some in units.items()}
    for feature, some in names.items():
        by_name = {d.name: d for d in told.features.get(feature, ())}
        _check_names(by_name, some, feature, told.teller)
        had = found.get(feature, [UNKNOWN_UNIT] * len(some))
        for i, name in enumerate(some):
            given = by_name[name].entries.get("unit") if name in by_name else None
            if given is not None and had[i] not in (UNKNOWN_UNIT, given):
                raise InputError(
                    f"{told.teller}: '{name}' of '{feature}' has unit {given}, the policy was trained with {had[i]}"
                )
            had[i] = given or (acted.get(name, UNKNOWN_UNIT) if had[i] == UNKNOWN_UNIT else had[i])
        if feature in found or by_name:
            found[feature] = had
    return found


def _check_names(told: Mapping[str, ToldDimension], names: Sequence[str], feature: str, teller: str) -> None:
    if odd := [name for name in told if name not in names]:
        raise InputError(f"{teller} tells of '{odd[0]}' in '{feature}', the policy has {', '.join(names)}")


def _is_same(had: Any, given: Any, span: float) -> bool:
    if isinstance(had, float) and isinstance(given, int | float) and not isinstance(given, bool):
        return math.isclose(had, given, rel_tol=ROUNDED, abs_tol=ROUNDED * span)
    return had == given
