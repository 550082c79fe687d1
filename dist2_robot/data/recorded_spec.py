"""What the numbers of a dataset mean: as its recorder wrote, as somebody tells, as the numbers prove; else unknown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from dist2_robot.actions.spec import UNKNOWN_UNIT, ActionDimension, ActionSpec, ControlMode
from dist2_robot.actions.told_spec import ToldSpec, merge_told
from dist2_robot.data.folder import DIST2_FILE, DatasetFolder
from dist2_robot.data.units import Evidence, prove_units
from dist2_robot.data.vector_spec import describe_vector
from dist2_robot.errors import InputError
from dist2_robot.types import ACTION, STATE

WHOLE_FRAMES = 0.5  # LeRobot keeps whole frames a second
GUESSED_SOURCE = "data"  # of a spec that was guessed from columns, also where it was written down later


@dataclass(frozen=True)
class RecordedSpec:
    """What every number of a dataset means.

    Attributes:
        action: Of the actions.
        observed: Observed vector -> its numbers.
        remarks: Feature -> where each of its numbers' entries come from, in words; also of ``rate_hz`` and
            ``control_mode``.
    """

    action: ActionSpec
    observed: Mapping[str, tuple[ActionDimension, ...]] = field(default_factory=dict)
    remarks: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def unknown(self) -> dict[str, list[str]]:
        """Return the names of the numbers whose unit nobody knows, by feature; features without any are left out."""
        features = {ACTION: self.action.dimensions, **self.observed}
        found = {key: [d.name for d in some if d.unit == UNKNOWN_UNIT] for key, some in features.items()}
        return {key: names for key, names in found.items() if names}


def recorded_spec(folder: DatasetFolder, actions: Tensor, target: str = ACTION) -> ActionSpec:
    """Return the spec of the actions of one dataset, where nobody tells more than it does itself.

    Args:
        folder: The dataset.
        actions: All of its actions, (N, A), or what is learned in their place.
        target: Which feature that is.
    """
    return describe([folder], [{ACTION: actions}], target=target).action


def describe(
    folders: Sequence[DatasetFolder],
    columns: Sequence[Mapping[str, Tensor]],
    told: Sequence[ToldSpec] = (),
    target: str = ACTION,
) -> RecordedSpec:
    """Return what the numbers of one or several datasets mean, whatever their order.

    Each entry of a number (unit, kind, limits, ...) is what its recorder wrote; what is told besides may change limits
    and tolerance of that, and must agree otherwise. Without both, a unit is what the numbers prove, or unknown, and the
    rest is guessed from all of the datasets together.

    Args:
        folders: The datasets.
        columns: Of each, its vectors (N, size), of which ``action`` is the target; the same names, in one order.
        told: By the user. The later ones may add to the earlier ones.
        target: Which feature the actions are.

    Raises:
        InputError: Datasets do not mean the same, or what is told contradicts them or each other.
    """
    said, recorded = merge_told(told), [_written(folder, target) for folder in folders]
    if missing := [key for key in said.features if key not in folders[0].info["features"]]:
        raise InputError(f"{said.teller} tells of '{missing[0]}', which '{folders[0].root}' does not have")
    evidence = [_evidence(folder, folders[0], part, target) for folder, part in zip(folders, columns, strict=True)]
    features: dict[str, tuple[ActionDimension, ...]] = {}
    remarks: dict[str, Sequence[str]] = {}
    vectors = [key for key, values in columns[0].items() if values.ndim == 2]
    for key in sorted(vectors, key=lambda key: key != ACTION):
        feature = target if key == ACTION else key
        values = np.concatenate([part[key].numpy() for part in columns])
        written = [None if spec is None or key != ACTION else spec.dimensions for spec in recorded]
        features[key], remarks[key] = describe_vector(
            folders, feature, values, written, evidence, said.features.get(feature), said.teller
        )
    rate_hz, remarks["rate_hz"] = _rate(folders, recorded, said)
    mode, remarks["control_mode"] = _control_mode(folders, recorded, said)
    source = next((spec.source for spec in recorded if spec is not None), GUESSED_SOURCE)
    action = ActionSpec(features.pop(ACTION), mode, rate_hz, "file" if said.features.get(target) else source)
    observed = features
    if target == ACTION:
        observed = {key: _with_units(some, action, folders, key) for key, some in features.items()}
    return RecordedSpec(action, observed, remarks)


def _with_units(
    observed: Sequence[ActionDimension], action: ActionSpec, folders: Sequence[DatasetFolder], feature: str
) -> tuple[ActionDimension, ...]:
    """Return observed numbers, of which those without a unit have the recorder's, or the action's of the same name.

    Raises InputError where a recorder wrote something else than what is told.
    """
    targets = dict(zip(action.names, action.units, strict=True)) if action.control_mode == "absolute" else {}
    written = [_observed_units(folder, feature) for folder in folders]
    found = []
    for dimension in observed:
        units = {dimension.unit, *(each.get(dimension.name, UNKNOWN_UNIT) for each in written)} - {UNKNOWN_UNIT}
        if len(units) > 1:
            raise InputError(
                f"{feature} '{dimension.name}' is in {' and in '.join(sorted(units))}, by what recorders wrote and "
                "what is told: make them one"
            )
        found.append(replace(dimension, unit=next(iter(units), targets.get(dimension.name, UNKNOWN_UNIT))))
    return tuple(found)


def _observed_units(folder: DatasetFolder, feature: str) -> dict[str, str]:
    """Return what the recorder wrote of the units of a feature: name of the number -> unit."""
    units, names = folder.recording.get("observation_units"), folder.names(feature)
    some = units.get(feature) if isinstance(units, Mapping) else None
    if not isinstance(some, list) or len(some) != len(names):
        return {}
    return dict(zip(names, map(str, some), strict=True))


def is_told(folder: DatasetFolder, target: str = ACTION) -> bool:
    """Tell whether the recorder of a dataset wrote what its actions mean."""
    return _written(folder, target) is not None


def _written(folder: DatasetFolder, target: str) -> ActionSpec | None:
    """Return the spec that the recorder wrote, None where there is none but a guess."""
    spec, names = folder.recorded_spec(target), folder.names(target)
    if spec is None:
        return None
    if list(spec.names) != names:
        raise InputError(
            f"'{folder.root / DIST2_FILE}' tells of the {target}s {list(spec.names)}, info.json of {names}: "
            "restore both from the original dataset"
        )
    return None if spec.source == GUESSED_SOURCE else spec


def _rate(
    folders: Sequence[DatasetFolder], recorded: Sequence[ActionSpec | None], told: ToldSpec
) -> tuple[float, list[str]]:
    """Return the actions a second, and who says so. Raises InputError where datasets differ, or the user from them."""
    rates = [folder.rate_hz if spec is None else spec.rate_hz for folder, spec in zip(folders, recorded, strict=True)]
    odd = next((i for i, rate in enumerate(rates) if rate != rates[0]), None)
    if odd is not None:
        raise InputError(
            f"'{folders[0].root}' has {rates[0]:g} actions a second, '{folders[odd].root}' {rates[odd]:g}: "
            "train on them one by one, or record both at one rate"
        )
    if told.rate_hz is None:
        return rates[0], ["told by info.json" if recorded[0] is None else "told by the recorder"]
    if abs(told.rate_hz - rates[0]) > WHOLE_FRAMES:
        raise InputError(
            f"{told.teller}: rate_hz is {told.rate_hz:g}, '{folders[0].root}' has {rates[0]:g} frames a second"
        )
    return float(told.rate_hz), [f"told by {told.teller}"]


def _control_mode(
    folders: Sequence[DatasetFolder], recorded: Sequence[ActionSpec | None], told: ToldSpec
) -> tuple[ControlMode, list[str]]:
    """Return what actions are relative to, and who says so. Raises InputError where two say different things."""
    modes: dict[str, ControlMode] = {} if told.control_mode is None else {told.teller: told.control_mode}
    modes |= {f"'{folder.root}'": spec.control_mode for folder, spec in zip(folders, recorded, strict=True) if spec}
    if len(set(modes.values())) > 1:
        said = ", ".join(f"{mode} in {who}" for who, mode in modes.items())
        raise InputError(f"the action's control_mode differs: {said}: mend what is told, or train on one of them")
    if not modes:
        return "absolute", ["guessed: absolute targets; else tell delta or relative"]
    who, mode = next(iter(modes.items()))
    return mode, [f"told by {who}" if told.control_mode is not None else "told by the recorder"]


def _evidence(
    folder: DatasetFolder, first: DatasetFolder, columns: Mapping[str, Tensor], target: str
) -> dict[str, Evidence]:
    """Return what the numbers of one dataset, in the order of the first, prove of units, by the name of the number.

    The same name has the same unit in actions and states. Those of other names are other numbers, or the same joint
    under another name, which must not count twice: each vector proves for itself.
    """
    if target != ACTION:
        return {}
    named: dict[str, dict[str, np.ndarray]] = {}
    for key in (ACTION, STATE):
        if key in columns and columns[key].ndim == 2 and first.are_named(key):
            named[key] = dict(zip(first.names(key), columns[key].numpy().T, strict=True))
    robot, found = str(folder.info.get("robot_type") or ""), {}
    for mine in reversed(named.values()):  # what actions prove comes last, and counts
        found |= prove_units(robot, {name: [some[name] for some in named.values() if name in some] for name in mine})
    return found
