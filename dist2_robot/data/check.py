"""The fast part of validation, done before every training: numbers finite, rows where they belong."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dist2_robot.data.folder import DatasetFolder
from dist2_robot.data.vectors import vector_size
from dist2_robot.errors import InputError


def check_columns(columns: Mapping[str, np.ndarray], path: Path, folder: DatasetFolder) -> None:
    """Check the rows of one data file. Raises InputError that names file, episode and frame.

    Args:
        columns: ``episode_index``, ``frame_index``, ``index`` (N,), ``timestamp`` (N, 1), features (N, size).
        path: The file they came from.
        folder: Its dataset.
    """
    episode, frame, index = columns["episode_index"], columns["frame_index"], columns["index"]
    starts_episode = np.append(True, np.diff(episode) != 0)
    out_of_place = np.append(False, np.diff(index) != 1) | np.where(
        starts_episode, frame != 0, np.append(0, np.diff(frame)) != 1
    )
    out_of_place |= np.append(False, (np.diff(episode) != 0) & (np.diff(episode) != 1))
    if out_of_place.any():
        row = int(np.argmax(out_of_place))
        raise InputError(
            f"'{path}': row {row} (episode {episode[row]}, frame {frame[row]}) does not follow the row before it: rows "
            "are missing or out of order, record or download the dataset again"
        )
    off = ~(np.abs(columns["timestamp"][:, 0] - frame / folder.rate_hz) < 0.5 / folder.rate_hz)  # NaN is off, too
    if off.any():
        row = int(np.argmax(off))
        raise InputError(
            f"'{path}': episode {episode[row]}, frame {frame[row]}: its timestamp {columns['timestamp'][row, 0]:g} s "
            f"does not fit {folder.rate_hz:g} frames a second: restore fps in info.json, or record the dataset again"
        )
    for name, values in columns.items():
        if values.ndim != 2 or name == "timestamp":
            continue
        size = vector_size(folder.info["features"][name])
        if len(index) and values.shape[1] != size:
            raise InputError(
                f"'{path}': '{name}' has {values.shape[1]} numbers a frame, info.json tells {size}: restore it"
            )
        finite = np.isfinite(values)
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            raise InputError(
                f"'{path}': episode {episode[row]}, frame {frame[row]}: '{name}' dimension "
                f"'{folder.names(name)[column]}' is {values[row, column]}: leave this episode out or record it again"
            )
