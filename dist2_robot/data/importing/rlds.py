"""RLDS as TFDS writes it: ``features.json`` and ``<name>-<split>.tfrecord-00000-of-00001``, a record an episode."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from dist2_robot.data.importing.bounds import is_read_whole
from dist2_robot.data.importing.layout import ACTION_KEYS, cameras
from dist2_robot.data.importing.pictures import decoded_frames
from dist2_robot.data.importing.rlds_features import STEPS, StepFeature, read_features
from dist2_robot.data.importing.rlds_files import find_episodes, version_folder
from dist2_robot.data.importing.source import Column, Layout, LeftOutError, Source, SourceEpisode
from dist2_robot.data.importing.tfrecords import Record, read_example, values_of
from dist2_robot.types import ACTION, STATE

STATE_KEYS = ("observation/state", "observation/proprio")
TASK_KEYS = tuple(
    f"{place}{key}"
    for key in ("language_instruction", "natural_language_instruction")
    for place in ("", "observation/")
)


def open_rlds(path: Path) -> Source:
    """Open a dataset's folder, or the one that holds its only version.

    Raises:
        InputError: It is not complete, damaged, of another file format, or the library is missing.
    """
    root = version_folder(path)
    features, left_out = read_features(root)
    records, missing = find_episodes(root)
    texts = [key for key in TASK_KEYS if key in features and features[key].kind == "text"]
    others = sorted(key for key, feature in features.items() if feature.kind == "text" and key not in texts[:1])
    left_out += missing + [f"{key}: text, which is no task" for key in others]
    assumed = ["the last action of an episode is taken as it is; in RLDS it may be one that was never carried out"]
    if texts:
        assumed.append(f"task: what '{texts[0]}' says")
    splits = tuple(dict.fromkeys(name.rsplit(" ", 1)[0] for name in records))
    if len(splits) > 1:
        assumed.append(f"the splits {', '.join(splits)} are all taken, one after the other")

    def read(record: Record) -> SourceEpisode:
        stored = {key.removeprefix(f"{STEPS}/"): x for key, x in read_example(record).items()}
        columns = {k: _column(k, f, stored[k]) for k, f in features.items() if f.kind != "text" and k in stored}
        _check_ends(columns)
        return SourceEpisode(columns, _task(texts[0], stored, columns) if texts else None)

    episodes = {name: (lambda record=record: read(record)) for name, record in records.items()}
    return Source("rlds", episodes, standard_layout, left_out=tuple(left_out), assumed=tuple(assumed))


def standard_layout(columns: Mapping[str, Any]) -> Layout:
    """Return the action, the state, and the observed pictures."""
    layout = {ACTION: [key for key in ACTION_KEYS if key in columns][:1]}
    layout[STATE] = [key for key in STATE_KEYS if key in columns and len(columns[key].shape) <= 2][:1]
    observed = {key: x for key, x in columns.items() if key.startswith("observation/")}
    return {feature: keys for feature, keys in layout.items() if keys} | cameras(observed)


def _column(name: str, feature: StepFeature, stored: Any) -> Column:
    """Return (T, ...) of a feature. Raises LeftOutError where what is stored is not what features.json tells."""
    values = values_of(stored)
    if feature.kind == "picture":
        if not isinstance(values, list):
            raise LeftOutError(f"'{name}' holds numbers, features.json tells of pictures")
        frames = decoded_frames(len(values), lambda part: values[part], f"'{name}'")
        if len(values) and any(
            told not in (-1, side) for told, side in zip(feature.shape, frames.shape[1:], strict=True)
        ):
            raise LeftOutError(f"'{name}' holds pictures {frames.shape[1:]}, features.json tells {feature.shape}")
        return frames
    if isinstance(values, list):
        raise LeftOutError(f"'{name}' holds texts or files, features.json tells of numbers")
    if len(values) % prod(feature.shape):
        raise LeftOutError(f"'{name}' holds {len(values)} numbers, features.json tells {feature.shape} a step")
    shape = (len(values) // prod(feature.shape), *feature.shape)
    is_film = len(shape) == 4 and shape[-1] == 3 and feature.dtype == np.uint8
    if not is_film and not is_read_whole(shape, feature.dtype):
        return np.empty((0, *feature.shape), feature.dtype)  # tells what it is; nobody takes it
    with np.errstate(over="ignore"):
        typed = values.astype(feature.dtype)
    if feature.dtype.kind in "biu" and not np.array_equal(typed, values):
        raise LeftOutError(f"'{name}' holds numbers that are no {feature.dtype}, as features.json tells")
    return typed.reshape(shape)


def _check_ends(columns: Mapping[str, Column]) -> None:
    """Raise LeftOutError where a record tells of more than one episode."""
    for name, inner in (("is_first", slice(1, None)), ("is_last", slice(None, -1))):
        marks = columns.get(name)
        if isinstance(marks, np.ndarray) and marks.ndim == 1 and (found := np.flatnonzero(marks[inner])).size:
            raise LeftOutError(f"'{name}' is set at step {found[0] + (inner.start or 0)} of {len(marks)}")


def _task(key: str, stored: Mapping[str, Any], columns: Mapping[str, Column]) -> str | Sequence[str] | None:
    """Return the text of each step, or the only one; None where there is none."""
    contents = values_of(stored[key]) if key in stored else []
    if not isinstance(contents, list):
        raise LeftOutError(f"'{key}' holds numbers, features.json tells of text")
    try:
        texts = [content.decode() for content in contents]
    except UnicodeDecodeError:
        raise LeftOutError(f"'{key}' holds what is no UTF-8 text") from None
    if len(set(texts)) <= 1:
        return texts[0] if texts else None
    if len(texts) not in {len(column) for column in columns.values()}:
        raise LeftOutError(f"'{key}' holds {len(texts)} texts, which are not one a step")
    return texts
