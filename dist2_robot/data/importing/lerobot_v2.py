"""LeRobot v2.0 and v2.1: a parquet file and a video of each camera for each episode."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dist2_robot.data.folder import OLDER_VERSIONS
from dist2_robot.data.importing.files import check_file, numbered
from dist2_robot.data.importing.lerobot_info import LeRobotInfo, read_info, read_lines
from dist2_robot.data.importing.lerobot_rows import read_rows, tasks_of, to_columns
from dist2_robot.data.importing.source import Source, SourceEpisode
from dist2_robot.data.importing.videos import find_video, of_colour, to_statistics
from dist2_robot.errors import InputError

VERSIONS = OLDER_VERSIONS
TASKS_FILE = Path("meta/tasks.jsonl")
EPISODES_FILE = Path("meta/episodes.jsonl")
STATISTICS_FILE = Path("meta/episodes_stats.jsonl")
_EPISODE = re.compile(r"episode_(\d{1,9})")


def open_lerobot_v2(root: Path) -> Source:
    """Open a folder. Raises InputError where its metadata are damaged or it has no table."""
    info = read_info(root)
    if info.version not in VERSIONS:
        raise InputError(f"'{root}' is LeRobot {info.version}, not one of {', '.join(VERSIONS)}: leave out format=")
    files = {}
    for path in numbered((root / "data").glob("chunk-*/episode_*.parquet")):
        if match := _EPISODE.fullmatch(path.stem):
            files[int(match[1])] = path
    if not files:
        raise InputError(f"'{root / 'data'}' holds no 'chunk-000/episode_000000.parquet': download the dataset again")
    tasks, left_out = _tasks(root), list(info.left_out)
    told = [entry.get("episode_index") for entry in _lines(root / EPISODES_FILE)]
    lost = sorted({number for number in told if type(number) is int} - files.keys())
    left_out += [f"episode {number}: it has no table" for number in lost]
    found = {name: numbered((root / "videos").glob(f"chunk-*/{_plain(name)}/*.mp4")) for name in info.videos}
    cameras, without = usable_cameras(root, found)
    left_out += without
    statistics = _statistics(root, cameras)

    def read(number: int, path: Path) -> SourceEpisode:
        table = read_rows(root, path, info)
        columns = to_columns(table, info, path)
        for camera in cameras:
            video = root / "videos" / path.parent.name / camera / f"{path.stem}.mp4"
            known = statistics.get(number, {}).get(camera)
            columns[camera] = find_video(root, video, info.rate_hz, 0.0, len(table), known)
        return SourceEpisode(columns, tasks_of(table, tasks))

    episodes = {f"episode {number}": (lambda n=number, p=path: read(n, p)) for number, path in sorted(files.items())}
    return as_source("lerobot_v2", info, episodes, left_out)


def usable_cameras(root: Path, videos: Mapping[str, list[Path]]) -> tuple[tuple[str, ...], list[str]]:
    """Return the cameras whose videos are there and show colours, and a line on each of the others."""
    cameras, left_out = [], []
    for name, paths in videos.items():
        for path in paths[:1]:
            check_file(root, path)
        if not paths:
            left_out.append(f"{name}: its videos are missing")
        elif not of_colour(paths[:1]):
            left_out.append(f"{name}: its videos are gray or of more than 8 bits, as depth is, and not taken")
        else:
            cameras.append(name)
    return tuple(cameras), left_out


def as_source(name: str, info: LeRobotInfo, episodes: Mapping[str, Any], left_out: list[str]) -> Source:
    """Return a source that keeps what a LeRobot dataset tells."""
    return Source(
        name,
        episodes,
        info.layout,
        rate_hz=info.rate_hz,
        robot_type=info.robot_type,
        names=info.names,
        png=frozenset(info.images),
        left_out=tuple(left_out),
        assumed=info.assumed,
    )


def _tasks(root: Path) -> dict[int, str]:
    found = [(entry.get("task_index"), entry.get("task")) for entry in _lines(root / TASKS_FILE)]
    return {number: text for number, text in found if type(number) is int and isinstance(text, str) and text}


def _statistics(root: Path, cameras: tuple[str, ...]) -> dict[int, dict[str, Mapping[str, np.ndarray]]]:
    """Return number of each episode -> camera -> statistics of its pictures; v2.0 has none of single episodes."""
    found: dict[int, dict[str, Mapping[str, np.ndarray]]] = {}
    for entry in _lines(root / STATISTICS_FILE):
        number, values = entry.get("episode_index"), entry.get("stats")
        if type(number) is int and isinstance(values, Mapping):
            known = {camera: to_statistics(values.get(camera)) for camera in cameras}
            found[number] = {camera: each for camera, each in known.items() if each}
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    return list(read_lines(path)) if path.exists() else []


def _plain(name: str) -> str:
    """Return a name for which a pattern of files stands for nothing but itself."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
