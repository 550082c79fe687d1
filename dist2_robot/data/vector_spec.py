"""What the numbers of one vector mean: by recorders, by the user, by themselves. N frames, A numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dist2_robot.actions.guess import guess_dimensions, is_two_valued
from dist2_robot.actions.spec import UNKNOWN_UNIT, ActionDimension
from dist2_robot.actions.told_spec import ENTRIES, ToldDimension
from dist2_robot.data.folder import DIST2_FILE, DatasetFolder
from dist2_robot.data.units import Evidence
from dist2_robot.errors import InputError

HARDLY = 0.1  # of the widest range of the vector
BEYOND = 0.01  # of the range, and the share of frames, by which recorded numbers may lie outside limits that are told


def describe_vector(
    folders: Sequence[DatasetFolder],
    feature: str,
    values: np.ndarray,
    written: Sequence[tuple[ActionDimension, ...] | None],
    evidence: Sequence[Mapping[str, Evidence]],
    told: Sequence[ToldDimension] | None,
    teller: str,
) -> tuple[tuple[ActionDimension, ...], list[str]]:
    """Return the numbers of one feature, and where what they are comes from."""
    names = folders[0].names(feature)
    by_column = _matched(told, names, folders[0], feature, teller)
    is_named = folders[0].are_named(feature)
    mine = [{name: each.get(name, Evidence()) for name in names} if is_named else {} for each in evidence]
    if written == [None] * len(written):
        units, why = _proved(folders, feature, names, mine, by_column)
        found = guess_dimensions(values, names, units)
        spans = np.ptp(values, axis=0)
        least = HARDLY * spans.max(initial=0.0)
        remarks = [
            _guess_remark(values[:, i], d, why[i], hardly_moves=0 < spans[i] < least) for i, d in enumerate(found)
        ]
    else:
        found = _widest(folders, feature, written, evidence, values)
        remarks = ["told by the recorder"] * len(found)
    is_written = any(each is not None for each in written)
    if told is None:
        return found, remarks
    described = []
    for i, dimension in enumerate(found):
        entry = by_column.get(i)
        if entry is None:
            described.append(dimension)
            continue
        described.append(_told(dimension, entry, values[:, i], folders[0], teller, feature, is_written))
        _check_evidence(described[-1], entry, [each.get(names[i], Evidence()) for each in mine], teller, feature)
        remarks[i] = f"{', '.join(entry.entries) or 'name'} told by {teller}; the rest {remarks[i]}"
    return tuple(described), remarks


def _matched(
    told: Sequence[ToldDimension] | None, names: Sequence[str], folder: DatasetFolder, feature: str, teller: str
) -> dict[int, ToldDimension]:
    """Return which column each told number is: by its name, or by its place where the dataset names nothing."""
    if told is None:
        return {}
    if not folder.are_named(feature) and not all((d.recorded_as or d.name) in names for d in told):
        if len(told) != len(names):
            raise InputError(
                f"{teller} tells {len(told)} numbers of '{feature}', '{folder.root}' has {len(names)} without names: "
                "tell all of them, in their order"
            )
        return dict(enumerate(told))
    found = {}
    for dimension in told:
        name = dimension.recorded_as or dimension.name
        if name not in names:
            raise InputError(
                f"{teller} tells of '{name}' in '{feature}', which '{folder.root}' does not have: it has "
                f"{', '.join(names)}; say recorded_as: for a number that has another name there"
            )
        if names.index(name) in found:
            raise InputError(f"{teller} tells of '{name}' in '{feature}' twice: tell it once")
        found[names.index(name)] = dimension
    return found


def _proved(
    folders: Sequence[DatasetFolder],
    feature: str,
    names: Sequence[str],
    evidence: Sequence[Mapping[str, Evidence]],
    told: Mapping[int, ToldDimension],
) -> tuple[list[str], list[str]]:
    """Return the unit of each number and why. Raises InputError where datasets differ and nobody tells."""
    units, why = [], []
    for i, name in enumerate(names):
        proofs = [each.get(name, Evidence()) for each in evidence]
        odd = next((k for k, proof in enumerate(proofs) if proof.unit != proofs[0].unit), None)
        if odd is not None and (i not in told or "unit" not in told[i].entries):
            raise InputError(
                f"{feature} '{name}' is in {_in_words(proofs[0])} in '{folders[0].root}' and in "
                f"{_in_words(proofs[odd])} in '{folders[odd].root}': if it is one unit, tell it with dataset.spec="
            )
        proof = proofs[0] if odd is None else Evidence()
        units.append(proof.unit)
        why.append(proof.why)
    return units, why


def _in_words(proof: Evidence) -> str:
    return "an unknown unit" if proof.unit == UNKNOWN_UNIT else f"{proof.unit} ({proof.why})"


def _guess_remark(values: np.ndarray, dimension: ActionDimension, why: str, *, hardly_moves: bool) -> str:
    unit = f"unit proved: {why}" if why else "unit UNKNOWN: tell it"
    kind = "kind guessed (it takes two values)" if is_two_valued(values) else "kind guessed"
    still = "; hardly moves beside the others: is that tolerance the error that matters?" if hardly_moves else ""
    return f"{unit}; {kind}; limits guessed from the range, tolerance 1 % of them{still}"


def _widest(
    folders: Sequence[DatasetFolder],
    feature: str,
    written: Sequence[tuple[ActionDimension, ...] | None],
    evidence: Sequence[Mapping[str, Evidence]],
    values: np.ndarray,
) -> tuple[ActionDimension, ...]:
    """Return what recorders wrote, with the widest limits of all. Raises InputError where they differ otherwise."""
    index, first = next((i, each) for i, each in enumerate(written) if each is not None)
    found = list(first)
    for k, (folder, dimensions) in enumerate(zip(folders, written, strict=True)):
        for i, mine in enumerate(found):
            if dimensions is None:
                unit = evidence[k].get(mine.name, Evidence()).unit
                theirs = replace(mine, unit=unit)
            else:
                theirs = next(d for d in dimensions if d.name == mine.name)
            for entry in ("unit", "kind", "wraps", "tolerance"):
                if getattr(mine, entry) != getattr(theirs, entry):
                    raise InputError(
                        f"{feature} '{mine.name}': its {entry} is {getattr(mine, entry)} in '{folders[index].root}' "
                        f"and {getattr(theirs, entry)} in '{folder.root}': they are no recordings of the same actions"
                    )
            found[i] = replace(mine, low=min(mine.low, theirs.low), high=max(mine.high, theirs.high))
    if any(each is None for each in written):  # of which nobody told the limits
        low, high = values.min(axis=0), values.max(axis=0)
        found = [
            d if d.wraps else replace(d, low=min(d.low, float(low[i])), high=max(d.high, float(high[i])))
            for i, d in enumerate(found)
        ]
    return tuple(found)


def _told(
    dimension: ActionDimension,
    told: ToldDimension,
    values: np.ndarray,
    folder: DatasetFolder,
    teller: str,
    feature: str,
    is_written: bool,
) -> ActionDimension:
    """Return a number with what is told of it. Raises InputError where that contradicts recorder or recording."""
    entries = dict(told.entries)
    if is_written:
        for entry in ("unit", "kind", "wraps"):
            had = getattr(dimension, entry)
            if entry in entries and entries[entry] != had and had != UNKNOWN_UNIT:
                raise InputError(
                    f"{teller}: {feature} '{told.name}' has {entry} {entries[entry]}, its recorder wrote {had} into "
                    f"'{folder.root / DIST2_FILE}': leave it out, or mend that file"
                )
    if "tolerance" not in entries and not is_written and {"low", "high"} & set(entries):
        entries["tolerance"] = float("nan")  # anew from the limits
    if entries.get("unit") == "%" and not {"low", "high"} <= set(entries):
        kept = (max(dimension.low, -100.0), min(dimension.high, 100.0))
        entries = {"low": kept[0], "high": kept[1], **entries}
    try:
        changed = replace(dimension, name=told.name, **{key: entries[key] for key in ENTRIES if key in entries})
    except InputError as error:
        raise InputError(f"{teller}: {feature}: {error}") from error
    span = changed.high - changed.low
    out = (values < changed.low - BEYOND * span) | (values > changed.high + BEYOND * span)
    if not changed.wraps and out.mean() > BEYOND:
        worst = values[np.argmax(np.abs(values - (changed.low + changed.high) / 2))]
        raise InputError(
            f"{teller}: {feature} '{told.name}' is told to lie within {changed.low:g} and {changed.high:g} "
            f"{changed.unit}, {100 * out.mean():.0f} % of the frames of '{folder.root}' are outside, as far as "
            f"{worst:g}: mend limits or unit"
        )
    return changed


def _check_evidence(
    dimension: ActionDimension, told: ToldDimension, proofs: Sequence[Evidence], teller: str, feature: str
) -> None:
    """Raise InputError where a unit that is told is not the one that the numbers prove."""
    for proof in proofs:
        if proof.unit in (UNKNOWN_UNIT, dimension.unit) or dimension.unit == UNKNOWN_UNIT:
            continue
        if proof.unit == "%" and told.entries.get("high") == 100.0 and told.entries.get("low") in (-100.0, 0.0):
            continue  # a limit of its own where percent would end
        mend = "; if those are its limits, tell low: -100, high: 100" if proof.unit == "%" else ""
        raise InputError(
            f"{teller}: {feature} '{dimension.name}' is told to be in {dimension.unit}, but its numbers are in "
            f"{proof.unit}: {proof.why}{mend}"
        )
