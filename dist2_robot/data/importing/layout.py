"""Which columns of a source become which features: what the user says, else what the names tell."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dist2_robot.data.importing.source import Layout
from dist2_robot.errors import InputError, did_you_mean
from dist2_robot.types import ACTION, STATE

RESERVED = ("timestamp", "frame_index", "episode_index", "index", "task_index", "task")
ACTION_KEYS = ("action", "actions", "act")
STATE_KEYS = (STATE, "state", "states", "obs", "observation", "observations", "qpos", "agent_pos")


def choose_layout(
    columns: Iterable[str], standard: Layout, rename: Mapping[str, str], join: Mapping[str, Sequence[str]]
) -> Layout:
    """Return feature -> columns.

    Args:
        columns: Names of all in the source.
        standard: What the format makes of them; gives way to what the user says of the same feature or column.
        rename: Column -> feature.
        join: Feature -> columns to be put side by side.

    Raises:
        InputError: There is no such column, or not exactly one; a feature is named twice; there is no action.
    """
    columns = list(columns)
    said: Layout = {}
    for feature, keys in [*((feature, [key]) for key, feature in rename.items()), *join.items()]:
        if feature in said:
            raise InputError(f"'{feature}' is named twice: put columns side by side with join={{{feature}: [...]}}")
        if not feature or feature in RESERVED or set(feature) & {"/", "\\", "\0"} or feature.startswith("."):
            raise InputError(f"'{feature}' cannot be the name of a feature: take action, observation.state, ...")
        said[feature] = [_find(key, columns) for key in keys]
    taken = {key for keys in said.values() for key in keys}
    layout = {
        feature: list(keys) for feature, keys in standard.items() if feature not in said and not taken & set(keys)
    } | said
    parts = [column for column in columns if column.startswith(("action/", "actions/"))]
    if ACTION not in layout and parts:
        raise InputError(f"the action is in parts: say in which order, 'join={{action: [{', '.join(sorted(parts))}]}}'")
    if ACTION not in layout and (near := did_you_mean(ACTION, said)):
        raise InputError(f"rename= and join= make {sorted(said)}, none of which is the feature '{ACTION}'.{near}")
    if ACTION not in layout:
        raise InputError(f"none of {sorted(columns)} is known to be the action: say which, 'rename={{...: action}}'")
    return layout


def _find(key: str, columns: Sequence[str]) -> str:
    """Return the column of that name, or the only one whose name ends in it."""
    found = [key] if key in columns else [column for column in columns if column.endswith(f"/{key}")]
    if len(found) != 1:
        near = did_you_mean(key, columns) if not found else ""
        raise InputError(
            f"the source has {len(found)} columns '{key}', of {sorted(columns)}.{near} Mend rename= or join="
        )
    return found[0]


def by_name(columns: Mapping[str, Any]) -> Layout:
    """Return what usual names tell: an action, a state, and pictures, each of which is a camera's."""
    layout: Layout = {}
    for feature, known in ((ACTION, ACTION_KEYS), (STATE, STATE_KEYS)):
        found = [key for key in known if key in columns]
        if found:
            layout[feature] = [found[0]]
    taken = {key for keys in layout.values() for key in keys}
    return layout | cameras({key: column for key, column in columns.items() if key not in taken})


def cameras(columns: Mapping[str, Any]) -> Layout:
    """Return the features of columns that hold pictures."""
    found = [key for key, column in columns.items() if is_picture(column)]
    return {f"observation.images.{key.rsplit('/', 1)[-1].removesuffix('_image')}": [key] for key in found}


def is_picture(column: Any) -> bool:
    """Tell whether something is (T, height, width, 3) of uint8, which alone is taken for pictures."""
    shape = column.shape
    return len(shape) == 4 and shape[-1] == 3 and getattr(column, "dtype", np.dtype(np.uint8)) == np.uint8


def flat_names(names: Any, size: int) -> list[str] | None:
    """Return the names of `size` numbers, however a recorder nested them; None where they are not as many, or none.

    Known are ``[["a", "b"]]``, ``{"motors": ["a", "b"]}`` and ``{"a": 0, "b": 1}``.
    """
    if isinstance(names, Mapping):
        if names and all(type(index) is int for index in names.values()):
            names = sorted(names, key=lambda name: names[name])
        else:
            names = list(names.values())
    flat: list[str] = []

    def add(entry: Any, depth: int) -> None:
        if isinstance(entry, list) and depth < 4:
            for each in entry:
                add(each, depth + 1)
        elif isinstance(entry, str):
            flat.append(entry)

    add(names, 0)
    return flat if len(flat) == size and len(set(flat)) == size else None
