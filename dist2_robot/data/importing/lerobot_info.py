"""``meta/info.json`` of a LeRobot dataset of any version, whoever wrote it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dist2_robot.data.folder import INFO_FILE
from dist2_robot.data.importing.files import check_file
from dist2_robot.data.importing.layout import RESERVED, flat_names
from dist2_robot.data.importing.source import Layout
from dist2_robot.data.vectors import (
    MAX_AXES,
    MAX_FRAME_NUMBERS,
    MAX_NUMBERS,
    MAX_PIXELS,
    NUMBERS,
    are_told,
    is_feature_name,
    vector_names,
)
from dist2_robot.errors import InputError, first_line
from dist2_robot.json_file import read_json, read_json_lines

PICTURES = ("video", "image")


@dataclass(frozen=True)
class LeRobotInfo:
    """What a dataset tells of itself.

    Attributes:
        version: ``v2.0``, ``v2.1`` or ``v3.0``.
        rate_hz: Frames a second.
        robot_type: LeRobot's name of the robot.
        vectors: Feature -> the shape of its numbers in a frame.
        videos: Features whose pictures are videos.
        images: Features whose pictures are in the tables.
        names: Feature -> names of its numbers, flat.
        left_out: Features that are not taken, and why, a line each.
        assumed: Names that were nested, a line each.
    """

    version: str
    rate_hz: float
    robot_type: str | None
    vectors: Mapping[str, tuple[int, ...]]
    videos: tuple[str, ...]
    images: tuple[str, ...]
    names: Mapping[str, list[str]]
    left_out: tuple[str, ...]
    assumed: tuple[str, ...]

    def layout(self, columns: Mapping[str, Any]) -> Layout:
        """Return each feature under the name that it has."""
        return {name: [name] for name in columns}


def version_of(root: Path) -> str | None:
    """Return the version of a LeRobot dataset, None for a folder that is none."""
    if not (root / INFO_FILE).exists():
        return None
    return str(_read(root).get("codebase_version"))


def read_info(root: Path) -> LeRobotInfo:
    """Read and check. Raises InputError, naming the file and the entry."""
    info, where = _read(root), f"'{root / INFO_FILE}'"
    fps, features = info.get("fps"), info.get("features")
    if not isinstance(fps, int | float) or isinstance(fps, bool) or not math.isfinite(fps) or fps <= 0:
        raise InputError(f"{where} has no valid 'fps' ({fps!r}): restore it from the original dataset")
    if not isinstance(features, Mapping) or not features:
        raise InputError(f"{where} has no valid 'features': restore it from the original dataset")
    vectors, names, left_out, assumed = {}, {}, [], []
    pictures: dict[str, list[str]] = {kind: [] for kind in PICTURES}
    for name, feature in features.items():
        dtype, shape = _kind(name, feature, where)
        if name in RESERVED:
            continue
        details = {**_mapping(feature.get("info")), **_mapping(feature.get("video_info"))}
        if dtype in PICTURES:
            if any(details.get(key) for key in ("is_depth_map", "video.is_depth_map")):
                left_out.append(f"{name}: it is of depth, which is not taken for colours")
            else:
                pictures[dtype].append(name)
        elif not dtype.startswith(NUMBERS) or (len(shape) > 1 and math.prod(shape) > MAX_NUMBERS):
            left_out.append(f"{name} {tuple(shape)} {dtype}: not a vector of numbers")
        elif len(shape) > 1:
            vectors[name] = tuple(shape)
            if are_told(name, feature):
                names[name] = vector_names(name, feature)
        else:
            vectors[name] = tuple(shape)
            flat = flat_names(feature.get("names"), shape[0])
            if flat:
                names[name] = flat
                if flat != feature["names"]:
                    assumed.append(f"{name}: its nested names, made flat")
    version, robot = str(info.get("codebase_version")), info.get("robot_type")
    robot_type = robot if isinstance(robot, str) and robot and len(robot) < 200 else None
    cameras = (tuple(pictures["video"]), tuple(pictures["image"]))
    return LeRobotInfo(version, float(fps), robot_type, vectors, *cameras, names, tuple(left_out), tuple(assumed))


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what the lines of a .jsonl file hold. Raises InputError, naming the line."""
    check_file(path.parent.parent, path)
    try:
        for number, content in read_json_lines(path):
            if isinstance(content, ValueError):
                raise InputError(f"'{path}' line {number} is not valid JSON ({first_line(content)}): restore it")
            if not isinstance(content, dict):
                raise InputError(f"'{path}' line {number} holds no JSON object: restore it")
            yield content
    except ValueError as error:
        raise InputError(f"'{path}' cannot be read ({error}): restore it") from None


def _read(root: Path) -> dict[str, Any]:
    path = root / INFO_FILE
    check_file(root, path)
    try:
        content = read_json(path)
    except ValueError as error:
        raise InputError(f"'{path}' is not valid JSON ({error}): restore it from the original dataset") from None
    if not isinstance(content, dict):
        raise InputError(f"'{path}' holds no JSON object: restore it from the original dataset")
    return content


def _kind(name: str, feature: Any, where: str) -> tuple[str, list[int]]:
    """Return dtype and shape of a feature. Raises InputError where it has none, or a name that is no folder's."""
    shape, dtype = _mapping(feature).get("shape"), _mapping(feature).get("dtype")
    is_shape = isinstance(shape, list) and bool(shape) and all(type(n) is int and n > 0 for n in shape)
    if not isinstance(shape, list) or not is_shape or not isinstance(dtype, str) or not is_feature_name(name):
        raise InputError(f"{where} has no valid '{name[:100]}' among its features: restore it")
    if len(shape) > MAX_AXES or math.prod(shape) > (MAX_PIXELS if dtype in PICTURES else MAX_FRAME_NUMBERS):
        raise InputError(f"{where} declares '{name}' as {str(shape)[:100]}, too many numbers for a frame")
    return dtype, shape


def _mapping(entry: Any) -> Mapping[str, Any]:
    return entry if isinstance(entry, Mapping) else {}
