"""Pictures decoded and resized once, in memory or in a file that is mapped into it. N frames."""

import hashlib
import os
from collections.abc import Sequence
from itertools import batched, islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dist2_robot.data.decode import decoded, picture_files
from dist2_robot.data.folder import DatasetFolder
from dist2_robot.errors import InputError
from dist2_robot.pictures import resize
from dist2_robot.progress import progress_bar

_BATCH = 64  # pictures that are resized at a time


def default_cache() -> Path:
    """Return where decoded pictures are kept that do not fit into memory."""
    return Path("~/.cache/dist2_robot/pictures").expanduser()


def read_pictures(
    folders: Sequence[DatasetFolder],
    counts: Sequence[int],
    camera: str,
    size: tuple[int, int],
    *,
    memory_gb: float,
    cache: Path,
) -> Tensor:
    """Return the pictures of a camera in the frames of some datasets, (N, height, width, 3), uint8.

    Args:
        folders: One dataset after the other.
        counts: How many frames of each, from its first on; N in all.
        camera: A feature of pictures that all of them have.
        size: (height, width), to which they are resized.
        memory_gb: What may be kept in memory; more goes into a file, which later trainings find again.
        cache: The folder of such files.

    Raises:
        InputError: A picture cannot be decoded, or the datasets hold another number of them.
    """
    shape = (sum(counts), *size, 3)
    if np.prod(shape, dtype=np.float64) <= memory_gb * 1e9:
        pictures = torch.empty(shape, dtype=torch.uint8)
        _fill(pictures, folders, counts, camera)
        return pictures
    path = cache / f"{_name(folders, counts, camera, size)}.uint8"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".unfinished-{os.getpid()}")
        try:
            _fill(_mapped(unfinished, shape, write=True), folders, counts, camera)
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


def _fill(pictures: Tensor, folders: Sequence[DatasetFolder], counts: Sequence[int], camera: str) -> None:
    size, filled = (pictures.shape[1], pictures.shape[2]), 0
    with progress_bar(total=len(pictures), desc=f"decode {camera}", unit="picture") as progress:
        for folder, count in zip(folders, counts, strict=True):
            end = filled + count
            for some in batched(islice(decoded(folder, camera), count), _BATCH):
                pictures[filled : filled + len(some)] = resize(torch.from_numpy(np.stack(some)), size)
                filled += len(some)
                progress.update(len(some))
            if filled < end:
                raise InputError(f"'{folder.root}' lacks the last {end - filled} pictures of '{camera}': restore them")


def _name(folders: Sequence[DatasetFolder], counts: Sequence[int], camera: str, size: tuple[int, int]) -> str:
    """Return a name that changes with whatever the decoded pictures depend on."""
    digest = hashlib.sha256(repr((camera, tuple(size), list(counts))).encode())
    for folder in folders:
        for path in picture_files(folder, camera):
            status = path.stat()
            digest.update(repr((str(path.resolve()), status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()[:32]
