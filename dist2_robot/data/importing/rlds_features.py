"""``features.json`` of TFDS: what each step of an RLDS episode holds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from dist2_robot.data.importing.files import check_file
from dist2_robot.errors import InputError
from dist2_robot.json_file import read_json

FEATURES_FILE = "features.json"
STEPS = "steps"
MAX_DEPTH = 16  # of dictionaries in dictionaries
MAX_VALUES = 2**26  # of a feature in a step
_BYTE = np.dtype(np.uint8)
_DTYPES = {"bfloat16": "float32"} | {
    name: name
    for name in ("bool", "float16", "float32", "float64", *(f"{s}int{b}" for s in ("", "u") for b in (8, 16, 32, 64)))
}


@dataclass(frozen=True)
class StepFeature:
    """What a step holds under one name.

    Attributes:
        kind: ``numbers``, ``picture`` or ``text``.
        shape: Of the numbers or the picture in a step; -1 for a side of pictures that is not told.
        dtype: Of the numbers as they were before TFDS stored them.
    """

    kind: str
    shape: tuple[int, ...] = ()
    dtype: np.dtype = _BYTE


def read_features(root: Path) -> tuple[dict[str, StepFeature], list[str]]:
    """Return what each step holds, by name such as ``observation/state``, and a line on what is not taken.

    Raises:
        InputError: The file is damaged, or tells of no steps.
    """
    path = root / FEATURES_FILE
    check_file(root, path)
    try:
        content = read_json(path)
    except ValueError as error:
        raise InputError(f"'{path}' is not valid JSON ({error}): restore it from the original dataset") from None
    top = _entries(content)
    steps = _mapping(_mapping(top.get(STEPS)).get("sequence")).get("feature")
    if not _entries(steps):
        raise InputError(f"'{path}' tells of no '{STEPS}', a sequence of features: it is no RLDS dataset")
    found: dict[str, StepFeature] = {}
    left_out: list[str] = []
    _walk(steps, "", path, found, left_out)
    others = ", ".join(sorted(name for name in top if name != STEPS))
    return found, left_out + ([f"{others}: of the episode, not of its steps"] if others else [])


def _walk(node: Any, name: str, path: Path, found: dict[str, StepFeature], left_out: list[str]) -> None:
    if not name.isprintable() or name.count("/") > MAX_DEPTH:
        raise InputError(f"'{path}' has a feature whose name is no text, or that is nested too deep: restore it")
    for key, inner in _entries(node).items():
        _walk(inner, f"{name}/{key}" if name else key, path, found, left_out)
    if _entries(node):
        return
    feature = _feature(_mapping(node), f"'{path}' tells of '{name}'")
    if isinstance(feature, StepFeature):
        found[name] = feature
    else:
        left_out.append(f"{name}: {feature}")


def _feature(node: Mapping[str, Any], where: str) -> StepFeature | str:
    """Return what a feature is; why it is not taken where it cannot be. Raises InputError where it makes no sense."""
    if "text" in node:
        return StepFeature("text")
    if "classLabel" in node:
        return StepFeature("numbers", (), np.dtype(np.int64))
    if "image" in node:
        shape, dtype = _shape(node["image"], where), _mapping(node["image"]).get("dtype", "uint8")
        if len(shape) != 3 or shape[-1] != 3 or dtype != "uint8":
            return f"pictures {shape} of {dtype}, not of colours with 8 bits"
        return StepFeature("picture", shape)
    if "sequence" in node:
        return "a list in each step, which is not read"
    if "tensor" not in node:
        return f"{str(node.get('pythonClassName', 'it')).rsplit('.', 1)[-1][:100]!r}, which is not read"
    tensor = _mapping(node["tensor"])
    shape, dtype = _shape(tensor, where), str(tensor.get("dtype"))
    if str(tensor.get("encoding", "none")).lower() != "none":
        return f"packed with {str(tensor['encoding'])[:100]!r}, which is not read"
    if dtype == "string":
        return StepFeature("text") if not shape else f"texts {shape} in each step, which are not read"
    if dtype not in _DTYPES:
        return f"numbers of the type {dtype[:100]!r}, which are not read"
    if min(shape, default=1) < 1:
        return f"numbers {shape}, whose shape is not told"
    return StepFeature("numbers", shape, np.dtype(_DTYPES[dtype]))


def _shape(entry: Any, where: str) -> tuple[int, ...]:
    """Return the length along each axis, -1 for one that is not told."""
    dimensions = _mapping(_mapping(entry).get("shape")).get("dimensions", [])
    whole = isinstance(dimensions, list) and all(re.fullmatch(r"-1|\d{1,9}", str(n), re.ASCII) for n in dimensions)
    if not whole or prod(abs(int(n)) for n in dimensions) > MAX_VALUES:
        raise InputError(f"{where} with the shape {str(dimensions)[:100]!r}, which cannot be: restore it")
    return tuple(int(n) for n in dimensions)


def _entries(node: Any) -> Mapping[str, Any]:
    return _mapping(_mapping(_mapping(node).get("featuresDict")).get("features"))


def _mapping(entry: Any) -> Mapping[str, Any]:
    return entry if isinstance(entry, Mapping) else {}
