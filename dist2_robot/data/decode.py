"""The recorded pictures of some rows of a dataset, decoded file after file. N rows."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dist2_robot.data.cameras import is_grey
from dist2_robot.data.folder import DatasetFolder
from dist2_robot.data.parquet import Allowance, open_parquet, read_columns, read_lists, read_pictures
from dist2_robot.data.video_file import MAX_PIXELS
from dist2_robot.data.video_frames import nearest_frames
from dist2_robot.errors import InputError, first_line

LEROBOT_TOLERANCE_S = 1e-4  # how far LeRobot lets a frame be from the time of its row, by default
NEAR = 0.25  # how far we do, as a share of the time between two rows
UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError)
_BATCH = 256  # rows that are read from a parquet file at a time
_PLACES = ("chunk_index", "file_index", "from_timestamp")  # columns of the table of episodes, for each camera


@dataclass(frozen=True)
class Rows:
    """Some rows of a dataset, in any order.

    Attributes:
        number: (N,), which row of the data files, counted over all of them.
        episode: (N,).
        frame: (N,), of the episode.
        time_s: (N,), since the episode began: the row's ``timestamp``.
    """

    number: np.ndarray
    episode: np.ndarray
    frame: np.ndarray
    time_s: np.ndarray

    def __len__(self) -> int:
        return len(self.number)

    def take(self, places: np.ndarray) -> "Rows":
        """Return only these of the rows."""
        return Rows(self.number[places], self.episode[places], self.frame[places], self.time_s[places])

    def name(self, place: int) -> str:
        """Return one of them in words."""
        return f"frame {self.frame[place]} of episode {self.episode[place]}"


@dataclass(frozen=True)
class PictureRequest:
    """What is wanted of one file.

    Attributes:
        path: A video, or a parquet file.
        places: (n,), in the `Rows`, of the rows whose pictures are in it.
        positions: (n,), where they are: s in a video, rows in a parquet file.
    """

    path: Path
    places: np.ndarray
    positions: np.ndarray


def read_rows(folder: DatasetFolder, numbers: Sequence[int] | np.ndarray | None = None) -> Rows:
    """Return the rows with these numbers, in their order; all by default. Raises InputError for those it lacks."""
    names = ["episode_index", "frame_index", "timestamp"]
    parts: list[list[np.ndarray]] = []
    allowance = Allowance()
    for path in folder.data_files():
        try:
            table = read_columns(path, names, allowance=allowance)
            parts.append([_numbers(table[name]) for name in names])
        except UNREADABLE as error:
            raise InputError(f"'{path}' cannot be read ({first_line(error)}): restore it from the original") from error
    episode, frame, time_s = (np.concatenate(column) for column in zip(*parts, strict=True))
    everything = Rows(np.arange(len(episode)), episode, frame, time_s.astype(np.float64))
    if numbers is None:
        return everything
    wanted = np.asarray(numbers, dtype=np.int64)
    if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(everything):
        raise InputError(f"'{folder.root}' holds {len(everything)} rows, not those up to {wanted.max()}: restore it")
    return everything.take(wanted)


def picture_requests(folder: DatasetFolder, camera: str, rows: Rows) -> list[PictureRequest]:
    """Return in which files the pictures of some rows are, and where there, file after file.

    The time of a row's picture is where its episode begins in the video, ``from_timestamp``, plus the row's own time.

    Raises:
        InputError: The table of episodes does not tell.
    """
    if folder.info["features"][camera]["dtype"] == "image":
        return _in_tables(folder, rows)
    starts = _episode_starts(folder, camera)
    if not len(rows.episode):
        return []
    found: dict[Path, list[np.ndarray]] = {}
    order = np.argsort(rows.episode, kind="stable")
    numbers, begins = np.unique(rows.episode[order], return_index=True)
    for number, places in zip(numbers.tolist(), np.split(order, begins[1:]), strict=True):
        if number not in starts:
            raise InputError(f"'{folder.root / 'meta/episodes'}' does not tell of episode {number}: restore it")
        found.setdefault(starts[number][0], []).append(places)
    requests = []
    for path in sorted(found):
        places = np.concatenate(found[path])
        begins_s = np.array([starts[number][1] for number in rows.episode[places].tolist()])
        requests.append(PictureRequest(path, places, begins_s + rows.time_s[places]))
    return requests


def missing_files(folder: DatasetFolder, camera: str, rows: Rows) -> list[Path]:
    """Return the files with pictures of some rows that are not there."""
    return [request.path for request in picture_requests(folder, camera, rows) if not request.path.is_file()]


def farthest_s(rate_hz: float) -> float:
    """Return how far, in s, the frame nearest to a row's time may be from it to be the row's picture.

    LeRobot refuses what is more than 1e-4 s away. That also refuses times that were rounded to milliseconds, or a
    constant delay of some. We take the nearest frame up to a quarter of the time between two rows: no other row's
    frame is then nearer than three times as far, while a frame that was dropped leaves its row a whole period away, or
    half of one. `dist2-validate` warns of frames that LeRobot would refuse.
    """
    return max(LEROBOT_TOLERANCE_S, NEAR / rate_hz)


def decoded(
    folder: DatasetFolder, camera: str, rows: Rows | None = None, *, tolerance_s: float | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each row's picture: the row's place in `rows`, and the picture (height, width, 3), uint8.

    A video shows in a row what it shows at the row's time, whatever the rates of both, as LeRobot's decoder has it.

    Args:
        folder: The dataset.
        camera: One of its cameras of colours.
        rows: Which; all by default. They come in the order of the files, and in those of time.
        tolerance_s: How far from a row's time a frame may be; by default see `farthest_s`.

    Raises:
        InputError: A picture is missing, cannot be decoded, or has another size; the file is named, and the frame.
    """
    rows = read_rows(folder) if rows is None else rows
    if missing := missing_files(folder, camera, rows):
        raise InputError(f"'{missing[0]}' is missing: restore it")
    size = _size(folder, camera)
    limit_s = farthest_s(folder.rate_hz) if tolerance_s is None else tolerance_s
    for request in picture_requests(folder, camera, rows):
        if folder.info["features"][camera]["dtype"] == "image":
            pictures = _from_table(request, camera, rows)
        else:
            pictures = _from_video(request, rows, limit_s)
        for place, picture in pictures:
            if picture.shape[:2] != size:
                raise InputError(
                    f"'{request.path}': the picture '{camera}' of {rows.name(place)} is {picture.shape[:2]} pixels, "
                    f"the first one {size}: record the camera in one size"
                )
            yield place, picture


def decode_rows(folder: DatasetFolder, camera: str, rows: Rows) -> np.ndarray:
    """Return the pictures of some rows, (N, height, width, 3), as `decoded` does."""
    pictures = np.empty((len(rows), *_size(folder, camera), 3), np.uint8)
    for place, picture in decoded(folder, camera, rows):
        pictures[place] = picture
    return pictures


def _size(folder: DatasetFolder, camera: str) -> tuple[int, int]:
    cameras = folder.cameras()
    if camera not in cameras:
        raise InputError(f"'{folder.root}' has no camera '{camera}', only {sorted(cameras)}")
    return cameras[camera]


def _from_video(request: PictureRequest, rows: Rows, limit_s: float) -> Iterator[tuple[int, np.ndarray]]:
    from av.error import FFmpegError

    order = np.argsort(request.positions, kind="stable")
    shown, picture, done = None, np.empty(0), 0
    try:
        for number, frame, time_s in nearest_frames(request.path, request.positions):
            wanted_s, place = request.positions[number], int(request.places[number])
            if not abs(time_s - wanted_s) < limit_s:
                raise InputError(
                    f"'{request.path}' has no picture of {rows.name(place)} at {wanted_s:.4f} s, the nearest is at "
                    f"{time_s:.4f} s: restore the video, or leave the episode out with dist2-validate fix=FOLDER"
                )
            if frame is not shown:
                shown, picture = frame, frame.to_ndarray(format="rgb24")
            yield place, picture
            done += 1
    except (FFmpegError, OSError, ValueError) as error:
        place = int(request.places[order[min(done, len(order) - 1)]])
        raise InputError(
            f"'{request.path}' cannot be decoded up to {rows.name(place)} ({first_line(error)}): restore it"
        ) from error


def _from_table(request: PictureRequest, camera: str, rows: Rows) -> Iterator[tuple[int, np.ndarray]]:
    for place, load in table_pictures(request, camera):
        try:
            yield place, np.asarray(load().convert("RGB"))
        except UNREADABLE as error:
            raise InputError(
                f"'{request.path}': the picture '{camera}' of {rows.name(place)} cannot be decoded "
                f"({first_line(error)}): restore it"
            ) from error


def table_pictures(request: PictureRequest, camera: str) -> Iterator[tuple[int, Callable[[], Any]]]:
    """Yield each wanted picture of a parquet file: the row's place in the `Rows`, and what loads it as one of PIL's.

    Raises:
        InputError: The file cannot be read. What loads a picture raises one of `UNREADABLE`, or InputError.
    """
    wanted: dict[int, list[int]] = {}
    for position, place in zip(request.positions.tolist(), request.places.tolist(), strict=True):
        wanted.setdefault(position, []).append(place)
    begin = 0
    try:
        for cells in read_pictures(request.path, camera, _BATCH):
            for position in range(begin, begin + len(cells)):
                for place in wanted.get(position, ()):
                    yield place, _loader(cells[position - begin].as_py())
            begin += len(cells)
    except UNREADABLE as error:
        raise InputError(f"'{request.path}' cannot be read ({first_line(error)}): restore it") from error


def _loader(cell: Any) -> Callable[[], Any]:
    from PIL import Image

    def load() -> Any:
        try:
            picture = Image.open(io.BytesIO(cell["bytes"]))
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"it has {picture.width} x {picture.height} pixels, more than are read")
            picture.load()
        except (SyntaxError, Image.DecompressionBombError) as error:  # what PIL says of some damaged files
            raise ValueError(str(error)) from error
        if is_grey(picture.mode):
            raise ValueError(f"it has one channel, of PIL's mode {picture.mode}, and no colours")
        return picture

    return load


def _in_tables(folder: DatasetFolder, rows: Rows) -> list[PictureRequest]:
    requests, begin = [], 0
    for path in folder.data_files():
        try:
            end = begin + open_parquet(path).metadata.num_rows
        except UNREADABLE as error:
            raise InputError(f"'{path}' cannot be read ({first_line(error)}): restore it from the original") from error
        places = np.flatnonzero((rows.number >= begin) & (rows.number < end))
        if len(places):
            requests.append(PictureRequest(path, places, rows.number[places] - begin))
        begin = end
    return requests


def _episode_starts(folder: DatasetFolder, camera: str) -> Mapping[int, tuple[Path, float]]:
    """Return of each episode the video that it is in, and where it begins there, in s."""
    keys = [f"videos/{camera}/{name}" for name in _PLACES]
    found: dict[int, tuple[Path, float]] = {}
    for path in sorted((folder.root / "meta" / "episodes").glob("chunk-*/file-*.parquet")):
        try:
            table = read_lists(path, ["episode_index", *keys])
            for episode, chunk, file, start_s in zip(*table.values(), strict=True):
                found[episode] = (folder.root / video_file(camera, chunk, file), float(start_s))
        except UNREADABLE as error:
            raise InputError(
                f"'{path}' does not tell where '{camera}' was filmed ({first_line(error)}): restore it"
            ) from error
    return found


def video_file(camera: str, chunk: int, file: int) -> str:
    """Return the path of a video inside a dataset. Raises ValueError for text, which could lead anywhere."""
    return f"videos/{camera}/chunk-{chunk:03d}/file-{file:03d}.mp4"


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of one number a row, (N,)."""
    array = column.combine_chunks()
    return (array.flatten() if pa.types.is_nested(array.type) else array).to_numpy(zero_copy_only=False)
