"""Pictures decoded and resized once, in memory or in a file that is mapped into it. N frames."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from itertools import batched
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dist2_robot.data.decode import Rows, decoded, picture_requests, read_rows
from dist2_robot.data.folder import DatasetFolder
from dist2_robot.errors import InputError
from dist2_robot.pictures import resize
from dist2_robot.progress import progress_bar

_BATCH = 64  # pictures that are resized at a time
_RULE = "nearest in time"  # by which pictures are chosen: those of another rule are not found in the cache


def default_cache() -> Path:
    """Return where decoded pictures are kept that do not fit into memory."""
    return Path("~/.cache/dist2_robot/pictures").expanduser()


def read_pictures(
    folders: Sequence[DatasetFolder],
    numbers: Sequence[Sequence[int] | np.ndarray | Tensor | None],
    camera: str,
    size: tuple[int, int],
    *,
    memory_gb: float,
    cache: Path,
    tolerance_s: float | None = None,
) -> Tensor:
    """Return the pictures of a camera in some rows of some datasets, (N, height, width, 3), uint8.

    Args:
        folders: One dataset after the other.
        numbers: Of each the numbers of its rows, in the order of the pictures; None for all of them.
        camera: A camera of colours that all of them have.
        size: (height, width), to which they are resized.
        memory_gb: What may be kept in memory; more goes into a file, which later trainings find again.
        cache: The folder of such files.
        tolerance_s: How far a frame may be from the time of its row; by default see `decode.farthest_s`.

    Raises:
        InputError: A picture is missing or cannot be decoded.
    """
    rows = [
        read_rows(folder, None if some is None else np.asarray(some))
        for folder, some in zip(folders, numbers, strict=True)
    ]
    parts = list(zip(folders, rows, strict=True))
    shape = (sum(map(len, rows)), *size, 3)
    if np.prod(shape, dtype=np.float64) <= memory_gb * 1e9:
        pictures = torch.empty(shape, dtype=torch.uint8)
        _fill(pictures, parts, camera, tolerance_s)
        return pictures
    path = cache / f"{_name(parts, camera, size, tolerance_s)}.uint8"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".unfinished-{os.getpid()}")
        try:
            _fill(_mapped(unfinished, shape, write=True), parts, camera, tolerance_s)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return _mapped(path, shape, write=False)


def _mapped(path: Path, shape: tuple[int, ...], *, write: bool) -> Tensor:
    count = int(np.prod(shape))
    if write:
        with path.open("wb") as file:
            file.truncate(count)
    # What is not shared is copied on writing, and nobody writes.
    return torch.from_file(str(path), shared=write, size=count, dtype=torch.uint8).view(shape)


def _fill(
    pictures: Tensor, parts: Iterable[tuple[DatasetFolder, Rows]], camera: str, tolerance_s: float | None
) -> None:
    size, begin = (pictures.shape[1], pictures.shape[2]), 0
    with progress_bar(total=len(pictures), desc=f"decode {camera}", unit="picture") as progress:
        for folder, rows in parts:
            for some in batched(decoded(folder, camera, rows, tolerance_s=tolerance_s), _BATCH):
                places, seen = zip(*some, strict=True)
                pictures[begin + torch.tensor(places)] = resize(torch.from_numpy(np.stack(seen)), size)
                progress.update(len(some))
            begin += len(rows)


def _name(
    parts: Iterable[tuple[DatasetFolder, Rows]], camera: str, size: tuple[int, int], tolerance_s: float | None
) -> str:
    """Return a name that changes with whatever the decoded pictures depend on."""
    digest = hashlib.sha256(repr((_RULE, camera, tuple(size), tolerance_s)).encode())
    for folder, rows in parts:
        for request in picture_requests(folder, camera, rows):
            if not request.path.is_file():
                raise InputError(f"'{request.path}' is missing: restore it")
            status = request.path.stat()
            digest.update(repr((str(request.path.resolve()), status.st_size, status.st_mtime_ns)).encode())
            digest.update(request.places.tobytes() + request.positions.tobytes())
    return digest.hexdigest()[:32]
