"""ALOHA: one HDF5 file an episode, ``/observations/qpos``, ``/observations/images/<camera>``, ``/action``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dist2_robot.data.importing.files import check_file, numbered
from dist2_robot.data.importing.hdf5 import ENDINGS, arrays, column, open_hdf5, read
from dist2_robot.data.importing.layout import cameras
from dist2_robot.data.importing.pictures import decoded_frames
from dist2_robot.data.importing.source import Column, Frames, Layout, Source, SourceEpisode
from dist2_robot.errors import InputError
from dist2_robot.types import ACTION, STATE

IMAGES = "observations/images/"


def open_aloha(path: Path) -> Source:
    """Open a file, or a folder of files. Raises InputError where there is none."""
    files = [path] if path.is_file() else numbered(file for file in path.iterdir() if file.suffix in ENDINGS)
    if not files:
        raise InputError(f"'{path}' holds no HDF5 file ({', '.join(ENDINGS)})")
    episodes = {file.name: (lambda file=file: _read(path, file)) for file in files}
    return Source("aloha", episodes, standard_layout, assumed=("compressed pictures, if any, are red, green, blue",))


def standard_layout(columns: Mapping[str, Any]) -> Layout:
    """Return the action, the joints' positions and the cameras."""
    layout = {ACTION: ["action"], STATE: ["observations/qpos"]}
    present = {feature: keys for feature, keys in layout.items() if keys[0] in columns}
    return present | cameras({key: x for key, x in columns.items() if key.startswith(IMAGES)})


def _read(root: Path, path: Path) -> SourceEpisode:
    check_file(root, path)
    found: dict[str, Column] = {}
    for name, array in arrays(open_hdf5(path), path).items():
        values = column(array, path)
        if isinstance(values, np.ndarray) and name.startswith(IMAGES) and values.dtype == np.uint8 and values.ndim == 2:
            values = _decoded(name, array, path)
        if values is not None:
            found[name] = values
    return SourceEpisode(found)


def _decoded(name: str, array: Any, path: Path) -> Frames:
    """Return pictures that are stored as JPEGs, each filled up with zeros."""
    return decoded_frames(
        len(array), lambda part: (row.tobytes() for row in read(array, part, path)), f"'{path}': '{name}'"
    )
