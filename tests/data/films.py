"""Recordings whose pictures tell their number by their brightness, filmed as strangers' recorders do it."""

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.data.recordings import CAMERA, LENGTHS, SPEC, edit, write_filmed

EPISODES_FILE = Path("meta/episodes/chunk-000/file-000.parquet")
INFO_FILE = Path("meta/info.json")
VIDEO = Path(f"videos/{CAMERA}/chunk-000/file-000.mp4")
FILMED = LENGTHS[:4]
ROWS = sum(FILMED)
RATE_HZ = SPEC.rate_hz
TIMES = np.arange(ROWS) / RATE_HZ  # of the frames, in s
ROW_TIMES_S = np.concatenate([np.arange(length) / RATE_HZ for length in FILMED])
EPISODE_OF_ROW = np.repeat(np.arange(len(FILMED)), FILMED)
STARTS_S = np.cumsum([0, *FILMED[:-1]]) / RATE_HZ  # of the episodes in the video
STEP = 5  # of brightness, from one row's picture to the next


def level(row: Any) -> Any:
    """Return how bright the picture of a row is."""
    return 10 + STEP * row


def film(
    path: Path,
    times_s: Sequence[float] | np.ndarray,
    levels: Sequence[int] | np.ndarray,
    *,
    size: tuple[int, int] = (64, 64),
    pix_fmt: str = "yuv420p",
    codec: str = "libx264",
    options: Mapping[str, str] | None = None,
) -> None:
    """Write a video of flat frames with these times and levels of brightness."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "crf": "4"} if options is None else dict(options)
        stream: Any = container.add_stream(codec, rate=60, options=options)
        stream.height, stream.width = size
        stream.pix_fmt = pix_fmt
        stream.time_base = stream.codec_context.time_base = Fraction(1, 90_000)
        source = "rgb24" if pix_fmt != "gray12le" else "gray12le"
        for time_s, bright in zip(times_s, levels, strict=True):
            flat = np.full((*size, 3), bright, np.uint8) if source == "rgb24" else np.full(size, bright, np.uint16)
            frame = av.VideoFrame.from_ndarray(flat, format=source)
            frame.pts, frame.time_base = round(float(time_s) * 90_000), stream.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_film(
    root: Path,
    times_s: Sequence[float] | np.ndarray | None = None,
    levels: Sequence[int] | np.ndarray | None = None,
    *,
    starts_s: Sequence[float] | np.ndarray = STARTS_S,
    **settings: Any,
) -> Path:
    """Write four episodes of one video with frames of these times; by default the picture of every row at its time.

    Args:
        root: The new dataset.
        times_s: Of the frames.
        levels: How bright they are.
        starts_s: Where the episodes begin in the video, by the table of episodes.
        settings: Of `film`.
    """
    shutil.copytree(_template(), root)
    film(
        root / VIDEO,
        np.arange(ROWS) / RATE_HZ if times_s is None else times_s,
        level(np.arange(ROWS)) if levels is None else levels,
        **settings,
    )
    change_episodes(root, f"videos/{CAMERA}/from_timestamp", list(map(float, starts_s)))
    ends = [float(start + length / RATE_HZ) for start, length in zip(starts_s, FILMED, strict=True)]
    change_episodes(root, f"videos/{CAMERA}/to_timestamp", ends)
    return root


@cache
def _template() -> Path:
    """Return a filmed dataset; LeRobot needs two seconds to write one."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    return write_filmed(folder / "film", video=True)


def change_episodes(root: Path, column: str, values: list) -> None:
    """Give the table of episodes other values in a column."""
    table = pq.read_table(root / EPISODES_FILE)
    place = table.schema.get_field_index(column)
    new = table.set_column(place, table.schema.field(place), pa.array(values, table.schema.field(place).type))
    pq.write_table(new, root / EPISODES_FILE)


def change_info(root: Path, change: Callable[[dict], Any]) -> None:
    """Change info.json."""
    content = json.loads((root / INFO_FILE).read_text())
    change(content)
    (root / INFO_FILE).write_text(json.dumps(content))


def rename_camera(root: Path, new: str) -> None:
    """Call the camera otherwise, in info.json, the table of episodes and the folder of videos."""
    table = pq.read_table(root / EPISODES_FILE)
    pq.write_table(
        table.rename_columns([name.replace(CAMERA, new) for name in table.column_names]), root / EPISODES_FILE
    )
    change_info(root, lambda info: info["features"].update({new: info["features"].pop(CAMERA)}))
    (root / "videos" / CAMERA).rename(root / "videos" / new)


def put_pictures(root: Path, encode: Callable[[int], bytes]) -> None:
    """Put other picture files, by the number of the row, into the table of a dataset with pictures in parquet."""

    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(CAMERA)
        cells = [{"bytes": encode(row), "path": None} for row in range(len(table))]
        return table.set_column(place, table.schema.field(place), pa.array(cells, table.schema.field(place).type))

    edit(root, change)
