"""LeRobot v3, perhaps under other names of features: many episodes a file, of tables and of videos."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dist2_robot.data.columns import flat_column
from dist2_robot.data.folder import CODEBASE_VERSION, DIST2_FILE
from dist2_robot.data.importing.files import check_file
from dist2_robot.data.importing.lerobot_info import read_info
from dist2_robot.data.importing.lerobot_rows import read_rows, tasks_of, to_columns
from dist2_robot.data.importing.lerobot_v2 import as_source, usable_cameras
from dist2_robot.data.importing.source import LeftOutError, Source, SourceEpisode, Video
from dist2_robot.data.importing.videos import find_video, to_statistics
from dist2_robot.data.parquet import open_parquet, read_columns, read_lists
from dist2_robot.data.tasks import TASKS_FILE, read_tasks
from dist2_robot.errors import InputError, first_line

_UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError)


def open_lerobot_v3(root: Path) -> Source:
    """Open a folder. Raises InputError where its metadata are damaged."""
    info = read_info(root)
    if info.version != CODEBASE_VERSION:
        raise InputError(f"'{root}' is LeRobot {info.version}, not {CODEBASE_VERSION}: leave out format=")
    tasks, left_out = _tasks(root), list(info.left_out)
    cameras, without = usable_cameras(
        root, {name: sorted((root / "videos" / name).glob("chunk-*/file-*.mp4")) for name in info.videos}
    )
    left_out += without
    if (root / DIST2_FILE).exists():
        left_out.append(f"{DIST2_FILE}: units and limits of the actions, which are not taken over")
    placed = _episodes(root, cameras)

    @lru_cache(maxsize=1)
    def rows(path: Path) -> pa.Table:
        return read_rows(root, path, info)

    def read(number: int, path: Path, start: int, length: int) -> SourceEpisode:
        table = rows(path).slice(start, length)
        videos = {name: _video(root, name, info.rate_hz, placed.get(number), length) for name in cameras}
        return SourceEpisode({**to_columns(table, info, path), **videos}, tasks_of(table, tasks))

    episodes = {f"episode {place[0]}": (lambda place=place: read(*place)) for place in _places(root)}
    if not episodes:
        raise InputError(f"'{root / 'data'}' holds no row of an episode: download the dataset again")
    return as_source("lerobot_v3", info, episodes, left_out)


def _places(root: Path) -> Iterator[tuple[int, Path, int, int]]:
    """Yield number, file, first row and length of each episode, in order."""
    for path in sorted((root / "data").glob("chunk-*/file-*.parquet")):
        check_file(root, path)
        try:
            column = flat_column(read_columns(path, ["episode_index"])["episode_index"], "episode_index")
            numbers = column[:, 0].astype(np.int64)
        except _UNREADABLE as error:
            raise InputError(f"'{path}' cannot be read ({first_line(error)}): restore it") from error
        starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1)) if len(numbers) else np.empty(0, int)
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(numbers)], strict=True):
            yield int(numbers[start]), path, start, end - start


def _episodes(root: Path, cameras: tuple[str, ...]) -> dict[int, Mapping[str, Any]]:
    """Return number of each episode -> what ``meta/episodes`` tells of it."""
    found, told = {}, tuple(f"{kind}/{camera}/" for kind in ("videos", "stats") for camera in cameras)
    for path in sorted((root / "meta/episodes").glob("chunk-*/file-*.parquet")):
        check_file(root, path)
        try:
            names = open_parquet(path).schema_arrow.names
            table = read_lists(path, [name for name in names if name == "episode_index" or name.startswith(told)])
            for i, number in enumerate(table["episode_index"]):
                found[number] = {name: values[i] for name, values in table.items()}
        except _UNREADABLE as error:
            raise InputError(f"'{path}' cannot be read ({first_line(error)}): restore it") from error
    return found


def _video(root: Path, name: str, rate_hz: float, told: Mapping[str, Any] | None, length: int) -> Video:
    told = told or {}
    chunk, file = (told.get(f"videos/{name}/{key}") for key in ("chunk_index", "file_index"))
    start_s = told.get(f"videos/{name}/from_timestamp")
    if type(chunk) is not int or type(file) is not int or not isinstance(start_s, float) or not 0 <= start_s < 1e7:
        raise LeftOutError(f"meta/episodes does not tell where '{name}' shows it")
    path = root / "videos" / name / f"chunk-{chunk:03d}" / f"file-{file:03d}.mp4"
    prefix = f"stats/{name}/"
    statistics = {key.removeprefix(prefix): value for key, value in told.items() if key.startswith(prefix)}
    return find_video(root, path, rate_hz, start_s, length, to_statistics(statistics))


def _tasks(root: Path) -> dict[int, str]:
    path = root / TASKS_FILE
    if not path.exists():
        return {}
    check_file(root, path)
    try:
        return {number: text for number, text in read_tasks(root).items() if text}
    except _UNREADABLE as error:
        raise InputError(f"'{path}' cannot be read ({first_line(error)}): restore it") from error
