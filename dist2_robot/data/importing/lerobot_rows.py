"""Rows of LeRobot's parquet files as columns of an episode, checked before they are decoded."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dist2_robot.data.columns import flat_column
from dist2_robot.data.importing.files import check_file
from dist2_robot.data.importing.lerobot_info import LeRobotInfo
from dist2_robot.data.importing.pictures import decoded_frames
from dist2_robot.data.importing.source import Column, Frames, LeftOutError
from dist2_robot.data.parquet import open_parquet, read_columns
from dist2_robot.errors import InputError, first_line

MAX_ROWS = 10**7
INDICES = ("episode_index", "frame_index", "task_index", "timestamp")
_UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError)


def read_rows(root: Path, path: Path, info: LeRobotInfo) -> pa.Table:
    """Return the columns of a file that are taken, and its indices.

    Raises:
        LeftOutError: It is damaged, or holds other sizes than info.json tells; known before anything is decoded.
    """
    check_file(root, path)
    try:
        file = open_parquet(path)
        wanted = [n for n in (*INDICES, *info.vectors, *info.images) if n in file.schema_arrow.names]
        missing = [name for name in (*info.vectors, *info.images) if name not in wanted]
        if missing:
            raise LeftOutError(f"'{path}' has no column '{missing[0]}'")
        _check_sizes(file.metadata, info, path)
        return read_columns(path, wanted)
    except _UNREADABLE as error:
        raise LeftOutError(f"'{path}' cannot be read ({first_line(error)})") from error


def _check_sizes(metadata: Any, info: LeRobotInfo, path: Path) -> None:
    if metadata.num_rows > MAX_ROWS:
        raise InputError(f"'{path}' declares {metadata.num_rows} rows, too many for a file")
    counts: dict[str, int] = {}
    for group in range(metadata.num_row_groups):
        for i in range(metadata.num_columns):
            column = metadata.row_group(group).column(i)
            name = next((n for n in info.vectors if (column.path_in_schema + ".").startswith(f"{n}.")), None)
            if name:
                counts[name] = counts.get(name, 0) + column.num_values
    for name, count in counts.items():
        size, told = count / max(1, metadata.num_rows), prod(info.vectors[name])
        if count != metadata.num_rows * told:
            raise LeftOutError(f"'{path}': '{name}' has {size:g} numbers a frame, info.json tells {told}")


def to_columns(table: pa.Table, info: LeRobotInfo, path: Path) -> dict[str, Column]:
    """Return numbers (T, ...) and pictures of the rows of one episode.

    Raises:
        LeftOutError: Rows are missing or out of order, their times are not those of the rate, or values are damaged.
    """
    try:
        _check_order(table, info.rate_hz)
        found: dict[str, Column] = {name: _numbers(table[name], name, shape) for name, shape in info.vectors.items()}
    except (pa.ArrowException, ValueError, OverflowError, TypeError, KeyError) as error:
        raise LeftOutError(f"'{path}' cannot be read ({first_line(error)})") from error
    return found | {name: _pictures(table[name], f"'{path}': '{name}'") for name in info.images}


def tasks_of(table: pa.Table, tasks: Mapping[int, str]) -> str | Sequence[str] | None:
    """Return what is done in each row, in words; one text where it is the same in all, None where nobody tells."""
    if "task_index" not in table.column_names:
        return None
    numbers = table["task_index"].to_pylist()
    unknown = sorted({str(number) for number in numbers if number not in tasks})
    if unknown:
        if not tasks:
            return None
        raise LeftOutError(f"its task {unknown[0]} has no words in meta/tasks")
    texts = [tasks[number] for number in numbers]
    return texts[0] if len(set(texts)) == 1 else texts


def _check_order(table: pa.Table, rate_hz: float) -> None:
    numbers = np.arange(len(table))
    if "frame_index" in table.column_names:
        wrong = np.flatnonzero(table["frame_index"].to_numpy() != numbers)
        if len(wrong):
            raise LeftOutError(f"its rows are out of order or missing, from frame {wrong[0]} on")
    if "timestamp" in table.column_names:
        times = _numbers(table["timestamp"], "timestamp", (1,))[:, 0].astype(np.float64)
        wrong = np.flatnonzero(~(np.abs(times - numbers / rate_hz) < 0.5 / rate_hz))
        if len(wrong):
            raise LeftOutError(f"frame {wrong[0]} is at {times[wrong[0]]:g} s, which is not {rate_hz:g} Hz")


def _numbers(column: pa.ChunkedArray, name: str, shape: Sequence[int]) -> np.ndarray:
    values = flat_column(column, name)
    if len(column) and values.shape[1] != prod(shape):
        raise ValueError(f"there are not {prod(shape)} numbers of '{name}' in every frame")
    return values.reshape(len(column), *shape)


def _pictures(column: pa.ChunkedArray, where: str) -> Frames:
    def content(entry: Any) -> bytes:
        data = entry.get("bytes") if isinstance(entry, dict) else entry
        if not isinstance(data, bytes):
            raise LeftOutError(f"{where}: a picture is not in the file")
        return data

    def contents(part: slice) -> Iterator[bytes]:
        return (content(entry) for entry in column[part.start : part.stop].to_pylist())

    return decoded_frames(len(column), contents, where)
