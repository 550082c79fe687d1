"""The recorded pictures of a dataset, decoded in the order of its frames."""

import io
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dist2_robot.data.folder import DatasetFolder
from dist2_robot.errors import InputError

_UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError)
_ROWS = 256  # that are read from a parquet file at a time


def picture_files(folder: DatasetFolder, camera: str) -> list[Path]:
    """Return the files that hold the pictures of a camera, in order."""
    if folder.info["features"][camera]["dtype"] == "image":
        return folder.data_files()
    return sorted((folder.root / "videos" / camera).glob("chunk-*/file-*.mp4"))


def decoded(folder: DatasetFolder, camera: str) -> Iterator[np.ndarray]:
    """Yield one picture a frame, (height, width, 3), uint8.

    Raises:
        InputError: A picture is missing or cannot be decoded; the file is named, and the episode where it is known.
    """
    if folder.info["features"][camera]["dtype"] == "image":
        for path in picture_files(folder, camera):
            yield from _from_parquet(path, camera)
    else:
        yield from _from_videos(folder, camera)


def _from_parquet(path: Path, camera: str) -> Iterator[np.ndarray]:
    from PIL import Image

    row = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(_ROWS, columns=[camera]):
            for picture in batch.column(0).to_pylist():
                yield np.asarray(Image.open(io.BytesIO(picture["bytes"])).convert("RGB"))
                row += 1
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"'{path}': picture '{camera}' of row {row} cannot be decoded ({reason}): restore it"
        ) from error


def _from_videos(folder: DatasetFolder, camera: str) -> Iterator[np.ndarray]:
    for path, episodes in _episodes_by_file(folder, camera).items():
        video = _frames(path)
        shown = 0
        for episode, start, length in episodes:
            for number in range(start, start + length):
                picture = None
                while shown <= number:
                    picture = next(video, None)
                    shown += 1
                if picture is None:
                    raise InputError(f"'{path}' ends before frame {number - start} of episode {episode}: restore it")
                yield picture


def _frames(path: Path) -> Iterator[np.ndarray]:
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except (FFmpegError, OSError, IndexError) as error:
        raise InputError(f"'{path}' cannot be decoded ({str(error).splitlines()[0]}): restore it") from error


def _episodes_by_file(folder: DatasetFolder, camera: str) -> dict[Path, list[tuple[int, int, int]]]:
    """Return of each video the episodes in it: number, first frame, frames."""
    keys = [f"videos/{camera}/{name}" for name in ("chunk_index", "file_index", "from_timestamp")]
    found: dict[Path, list[tuple[int, int, int]]] = defaultdict(list)
    for path in sorted((folder.root / "meta" / "episodes").glob("chunk-*/file-*.parquet")):
        try:
            table = pq.read_table(path, columns=["episode_index", "length", *keys]).to_pydict()
            for episode, length, chunk, file, start_s in zip(*table.values(), strict=True):
                # Text in place of the numbers, which could lead anywhere, is a ValueError.
                video = folder.root / "videos" / camera / f"chunk-{chunk:03d}" / f"file-{file:03d}.mp4"
                found[video].append((episode, round(start_s * folder.rate_hz), length))
        except _UNREADABLE as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"'{path}' does not tell where '{camera}' was filmed ({reason}): restore it") from error
    return found
