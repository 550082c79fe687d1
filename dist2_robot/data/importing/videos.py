"""Videos of LeRobot datasets, which are copied as they are: checked by the times of their frames, never re-encoded."""

import contextlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dist2_robot.data.folder import INFO_FILE
from dist2_robot.data.importing.files import check_file
from dist2_robot.data.importing.source import LeftOutError, Video
from dist2_robot.data.video_file import open_video
from dist2_robot.errors import InputError
from dist2_robot.json_file import write_json

TOLERANCE_S = 1e-4  # by which LeRobot lets a frame be off
FILES_IN_CHUNK = 1000
SMALL_BYTES = 2**26  # of a video, beside its frames: it may hold sound
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"  # LeRobot's own
_STATISTICS = ("min", "max", "mean", "std", "count")


def find_video(
    root: Path,
    path: Path,
    rate_hz: float,
    start_s: float,
    length: int,
    statistics: Mapping[str, np.ndarray] | None,
) -> Video:
    """Return the part of a video that shows an episode.

    Raises:
        LeftOutError: It is missing or damaged, shows fewer frames, at other times than the table, or no colours.
    """
    if not path.exists():
        raise LeftOutError(f"'{path}' is missing")
    check_file(root, path)
    times_s, size, has_colours = _frames(path)
    first = round(start_s * rate_hz)
    if not has_colours:
        raise LeftOutError(f"'{path}' is gray or of more than 8 bits, as depth is")
    if len(times_s) < first + length:
        raise LeftOutError(f"'{path}' shows {len(times_s) - first} frames of its {length}")
    wanted = start_s + np.arange(length) / rate_hz
    off = np.abs(times_s[first : first + length] - wanted)
    if off.max(initial=0) > TOLERANCE_S or abs(times_s[0]) > TOLERANCE_S:
        frame = int(off.argmax())
        at_s = times_s[first + frame]
        raise LeftOutError(f"'{path}' shows frame {frame} at {at_s:.4f} s, not {wanted[frame]:.4f} ({rate_hz:g} Hz)")
    return Video(path, start_s, length, size, statistics)


def of_colour(paths: Iterable[Path]) -> bool:
    """Tell by the first video that can be read whether a camera shows colours; depth is gray or has more bits."""
    for path in paths:
        with contextlib.suppress(LeftOutError):
            return _frames(path)[2]
    return True


@lru_cache(maxsize=64)
def _frames(path: Path) -> tuple[np.ndarray, tuple[int, int], bool]:
    """Return when each frame is shown, in order, (height, width), and whether there are colours; nothing is decoded."""
    from av.error import FFmpegError

    try:
        with open_video(path) as container:
            stream = container.streams.video[0]
            size, pixels = (stream.height, stream.width), stream.codec_context.format
            has_colours = pixels is None or (len(pixels.components) >= 3 and pixels.components[0].bits == 8)
            times = [float(p.pts * p.time_base) for p in container.demux(stream) if p.pts is not None and p.time_base]
    except (FFmpegError, OSError, IndexError, ValueError) as error:
        raise LeftOutError(f"'{path}' cannot be read ({str(error).splitlines()[0]})") from error
    if not times or min(size) < 1:
        raise LeftOutError(f"'{path}' shows no frame")
    if path.stat().st_size > SMALL_BYTES + len(times) * 3 * size[0] * size[1]:  # it is copied whole
        raise LeftOutError(f"'{path}' is larger than its {len(times)} frames are when they are not packed at all")
    return np.sort(np.array(times)), size, has_colours


def to_statistics(entry: Any) -> dict[str, np.ndarray] | None:
    """Return LeRobot's statistics of pictures as it wrote them; None where they are not what they should be."""
    if not isinstance(entry, Mapping):
        return None
    try:
        found = {key: np.array(entry[key], dtype=np.int64 if key == "count" else np.float64) for key in _STATISTICS}
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    if any(found[key].size != 3 or not np.isfinite(found[key]).all() for key in _STATISTICS[:4]):
        return None
    if found["count"].size != 1 or int(found["count"].ravel()[0]) < 1:
        return None
    return {key: value.reshape(1) if key == "count" else value.reshape(3, 1, 1) for key, value in found.items()}


def add_videos(folder: Path, videos: Mapping[str, Sequence[Video]]) -> None:
    """Copy videos into a dataset that was written without them, and tell of them in its metadata.

    Args:
        folder: The dataset.
        videos: Feature -> the video of each episode, in order. Several may be parts of one file.
    """
    from lerobot.datasets.compute_stats import aggregate_stats
    from lerobot.datasets.io_utils import load_stats, write_stats
    from lerobot.datasets.video_utils import get_video_info

    info = json.loads((folder / INFO_FILE).read_text())
    statistics: dict[str, Any] = load_stats(folder) or {}
    columns: dict[str, list[Any]] = {}
    for feature, parts in videos.items():
        places = _copy(folder, feature, parts)
        found = [part.statistics or _measure(part, info["fps"]) for part in parts]
        columns |= {
            f"videos/{feature}/chunk_index": [places[part.path] // FILES_IN_CHUNK for part in parts],
            f"videos/{feature}/file_index": [places[part.path] % FILES_IN_CHUNK for part in parts],
            f"videos/{feature}/from_timestamp": [part.start_s for part in parts],
            f"videos/{feature}/to_timestamp": [part.start_s + part.length / info["fps"] for part in parts],
            **{f"stats/{feature}/{key}": [each[key].tolist() for each in found] for key in _STATISTICS},
        }
        statistics |= aggregate_stats([{feature: dict(each)} for each in found])
        details = get_video_info(parts[0].path)
        shape, axes = [*parts[0].size, 3], ["height", "width", "channels"]
        info["features"][feature] = {"dtype": "video", "shape": shape, "names": axes, "info": details}
    info["video_path"] = VIDEO_PATH
    start = 0
    for path in sorted((folder / "meta/episodes").glob("chunk-*/file-*.parquet")):
        table = pq.read_table(path)
        for name, values in columns.items():
            table = table.append_column(name, pa.array(values[start : start + len(table)]))
        start += len(table)
        pq.write_table(table, path)
    write_stats(statistics, folder)
    write_json(folder / INFO_FILE, info, indent=4)


def _copy(folder: Path, feature: str, parts: Sequence[Video]) -> dict[Path, int]:
    """Copy each file once; return the number that it got."""
    places: dict[Path, int] = {}
    for part in parts:
        if part.path not in places:
            number = places[part.path] = len(places)
            chunk, file = divmod(number, FILES_IN_CHUNK)
            new = folder / VIDEO_PATH.format(video_key=feature, chunk_index=chunk, file_index=file)
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(part.path, new)
    return places


def _measure(video: Video, rate_hz: float) -> dict[str, np.ndarray]:
    """Return LeRobot's statistics of some frames of a video. Raises InputError where it cannot be decoded."""
    from av.error import FFmpegError
    from lerobot.datasets.compute_stats import auto_downsample_height_width, get_feature_stats, sample_indices

    first = round(video.start_s * rate_hz)
    wanted, pictures = {first + i for i in sample_indices(video.length)}, []
    try:
        with open_video(video.path) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number >= first + video.length:
                    break
                if number in wanted:
                    picture = frame.to_ndarray(format="rgb24").transpose(2, 0, 1)
                    pictures.append(auto_downsample_height_width(picture))
        found = get_feature_stats(np.stack(pictures), axis=(0, 2, 3), keepdims=True)
    except (FFmpegError, OSError, ValueError) as error:
        raise InputError(f"'{video.path}' cannot be decoded ({str(error).splitlines()[0]}): restore it") from error
    scaled = {key: found[key] if key == "count" else (found[key] / 255.0).reshape(3, 1, 1) for key in _STATISTICS}
    return {key: np.asarray(value) for key, value in scaled.items()}
