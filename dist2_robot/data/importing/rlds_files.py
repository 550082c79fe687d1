"""The files of a dataset that TFDS wrote: which episodes are in which, and whether all are there."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dist2_robot.data.importing.files import check_file
from dist2_robot.data.importing.rlds_features import FEATURES_FILE
from dist2_robot.data.importing.tfrecords import Record, find_records
from dist2_robot.errors import InputError
from dist2_robot.json_file import read_json

INFO_FILE = "dataset_info.json"
_SHARD = re.compile(r"(.+)-([^-]+)\.tfrecord-(\d{5})-of-(\d{5})")
_OTHER = ".array_record"


def is_rlds(path: Path) -> bool:
    """Tell whether a folder, or one in it, is what TFDS writes."""
    names = [entry.name for entry in (*path.glob("*"), *path.glob("*/*"))]
    return any(name in (FEATURES_FILE, INFO_FILE) or ".tfrecord" in name or _OTHER in name for name in names)


def version_folder(path: Path) -> Path:
    """Return the folder with ``features.json``: this one, or the only one in it. Raises InputError."""
    if not path.is_dir():
        raise InputError(f"'{path}' is no folder: name the one that holds '{FEATURES_FILE}'")
    found = [folder for folder in (path, *sorted(path.iterdir())) if (folder / FEATURES_FILE).exists()]
    if not found:
        raise InputError(f"'{path}' holds no '{FEATURES_FILE}', which tells the shapes: write it anew with TFDS")
    if found[0] != path and len(found) > 1:
        raise InputError(f"'{path}' holds several datasets ({', '.join(f.name for f in found[:8])}): name one")
    return found[0]


def find_episodes(root: Path) -> tuple[dict[str, Record], list[str]]:
    """Return ``<split> <number>`` -> where each episode is, and a line for each split of which files are missing.

    Raises:
        InputError: A file is damaged, does not hold what ``dataset_info.json`` tells, or is of another file format.
    """
    told, shards = _told(root), _shards(root)
    records: dict[str, Record] = {}
    left_out = []
    for split in [*told, *sorted(shards.keys() - told.keys())]:
        lengths, present = told.get(split, []), shards.get(split, {})
        count = next(iter(present.values()))[1] if present else len(lengths)
        if len(present) < count:
            left_out.append(f"split {split}: {count - len(present)} of its {count} files are missing")
        found = [_checked(root, present[i][0], lengths[i] if len(lengths) == count else None) for i in sorted(present)]
        episodes = (record for some in found for record in some)
        records |= {f"{split} {number}": record for number, record in enumerate(episodes)}
    return records, left_out


def _checked(root: Path, path: Path, told: int | None) -> Sequence[Record]:
    found = find_records(root, path)
    if told is not None and len(found) != told:
        raise InputError(f"'{path}' holds {len(found)} episodes, {INFO_FILE} tells {told}: download it again")
    return found


def _shards(root: Path) -> Mapping[str, dict[int, tuple[Path, int]]]:
    """Return split -> number of each file -> the file, and how many there should be."""
    shards: dict[str, dict[int, tuple[Path, int]]] = {}
    names = set()
    for path in sorted(root.iterdir()):
        if match := _SHARD.fullmatch(path.name):
            shards.setdefault(match[2], {})[int(match[3])] = (path, int(match[4]))
            names.add((match[1], match[2], match[4]))
    if not shards:
        raise InputError(f"'{root}' holds no '<name>-train.tfrecord-00000-of-00001': download the dataset again")
    if len(names) > len(shards) or any(max(found) >= count for found in shards.values() for _, count in found.values()):
        raise InputError(f"'{root}' holds files of several datasets: put each in a folder of its own")
    return shards


def _told(root: Path) -> dict[str, list[int]]:
    """Return the splits that ``dataset_info.json`` tells of -> how many episodes are in each file, where it tells."""
    path = root / INFO_FILE
    content: Any = {}
    if path.exists() or path.is_symlink():
        check_file(root, path)
        try:
            content = read_json(path)
        except ValueError as error:
            raise InputError(f"'{path}' is not valid JSON ({error}): restore it from the original dataset") from None
    content = content if isinstance(content, Mapping) else {}
    kind = str(content.get("fileFormat", "tfrecord"))
    if kind == "tfrecord" and any(_OTHER in file.name for file in root.iterdir()):
        kind = _OTHER[1:]
    if kind != "tfrecord":
        raise InputError(
            f"'{root}' is of the file format {kind[:100]!r}, which is not read: write it as tfrecord with "
            "TFDS (tfds convert_format)"
        )
    splits = content.get("splits")
    named = [split for split in (splits if isinstance(splits, list) else []) if isinstance(split, Mapping)]
    return {str(split["name"]): _lengths(split) for split in named if str(split.get("name", "\n")).isprintable()}


def _lengths(split: Mapping[str, Any]) -> list[int]:
    lengths = split.get("shardLengths")
    lengths = [str(length) for length in lengths] if isinstance(lengths, list) else []
    return [int(n) for n in lengths] if all(re.fullmatch(r"\d{1,9}", n, re.ASCII) for n in lengths) else []
