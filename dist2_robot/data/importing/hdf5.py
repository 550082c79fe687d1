"""HDF5 files that anyone may have made: arrays of numbers alone, and nothing that leads out of the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dist2_robot.data.importing.bounds import MAX_BYTES, check_array, check_together, is_read_whole
from dist2_robot.data.importing.layout import is_picture
from dist2_robot.data.importing.source import BLOCK_BYTES, Column, Frames
from dist2_robot.errors import InputError, first_line

if TYPE_CHECKING:
    import h5py

MAGIC = b"\x89HDF\r\n\x1a\n"
ENDINGS = (".hdf5", ".h5", ".hdf")
MAX_DEPTH = 6  # of groups in groups


def is_hdf5(path: Path) -> bool:
    """Tell by its first bytes whether a file is one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def open_hdf5(path: Path) -> "h5py.File":
    """Open a file to be read. Raises InputError where it is none, or h5py is not installed."""
    try:
        import h5py
    except ImportError as error:
        raise InputError("HDF5 files need h5py: pip install 'dist2-robot[import]'") from error
    if not is_hdf5(path):
        raise InputError(f"'{path}' is no HDF5 file: restore it")
    try:
        return h5py.File(path, "r")
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"'{path}' is no HDF5 file that can be read ({first_line(error)}): restore it") from error


def members(group: "h5py.Group", path: Path) -> dict[str, "h5py.Group | h5py.Dataset"]:
    """Return what is directly in a group. Raises InputError for a link, which may lead to another file."""
    import h5py

    found = {}
    try:
        top = str(group.name).rstrip("/")
        for key in group:
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise InputError(f"'{path}': '{top}/{key}' is a link, which is not followed: copy the data")
            found[key] = group[key]
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"'{path}' is damaged ({first_line(error)}): restore it") from error
    return found


def as_group(member: "h5py.Group | h5py.Dataset", path: Path) -> "h5py.Group":
    """Return a member that must be a group. Raises InputError where it is an array."""
    import h5py

    if not isinstance(member, h5py.Group):
        raise InputError(f"'{path}': '{member.name}' is no group: it is not of the format that it seems to be")
    return member


def arrays(group: "h5py.Group", path: Path, depth: int = 0) -> dict[str, "h5py.Dataset"]:
    """Return all arrays below a group, by their names from there on, such as ``obs/object``.

    Raises:
        InputError: For a link, groups nested too deep, and more than the file can hold.
    """
    import h5py
    from h5py import h5o  # type: ignore[attr-defined]

    found = {}
    for key, member in members(group, path).items():
        if isinstance(member, h5py.Dataset):
            if h5o.get_info(member.id).rc > 1:
                raise InputError(f"'{path}': '{member.name}' is there under several names: copy the data there")
            found[key] = member
        elif isinstance(member, h5py.Group):
            if depth == MAX_DEPTH:
                raise InputError(f"'{path}': groups are nested too deep at '{member.name}'")
            inner = arrays(member, path, depth + 1)
            found |= {f"{key}/{name}": array for name, array in inner.items()}
    if depth == 0:
        whole = (array for array in found.values() if is_read_whole(array.shape or (), array.dtype))
        check_together(path, (int(array.nbytes) for array in whole), path.stat().st_size)
    return found


def check(array: "h5py.Dataset", path: Path) -> None:
    """Raise InputError unless an array can be read without harm."""
    where = f"'{path}': '{array.name}'"
    if array.external or array.is_virtual:
        raise InputError(f"{where} lies in another file, which is not read: copy the data there")
    if is_read_whole(array.shape or (), array.dtype):  # others are read some at a time, or not at all
        check_array(where, array.shape, array.dtype, array.id.get_storage_size())
    check_array(where, (array.shape or ())[1:], array.dtype)
    if array.chunks and np.prod([float(n) for n in array.chunks]) * array.dtype.itemsize > MAX_BYTES // 4:
        raise InputError(f"{where} is stored in parts of {array.chunks}, too large to be read")


def column(array: "h5py.Dataset", path: Path, start: int = 0, end: int | None = None) -> Column | None:
    """Return some frames of an array; None for what is no array of numbers, one entry a frame."""
    if not array.shape or array.dtype.kind not in "biuf":
        return None
    check(array, path)
    end = array.shape[0] if end is None else min(end, array.shape[0])
    if is_read_whole(array.shape, array.dtype):
        return read(array, slice(start, end), path)
    if not is_picture(array):
        return np.empty((0, *array.shape[1:]), array.dtype)  # tells what it is; nobody takes it
    if np.prod([float(n) for n in array.shape[1:]]) * array.dtype.itemsize > BLOCK_BYTES:
        raise InputError(f"'{path}': a frame of '{array.name}' is {array.shape[1:]}, too large for a picture")
    shape = (end - start, *array.shape[1:])
    return Frames(shape, lambda part: read(array, slice(start + part.start, start + part.stop), path))


def columns(found: Mapping[str, "h5py.Dataset"], path: Path) -> dict[str, Column]:
    """Return all frames of arrays, without those that hold no numbers."""
    read_ones = {name: column(array, path) for name, array in found.items()}
    return {name: values for name, values in read_ones.items() if values is not None}


def read(array: "h5py.Dataset", part: slice, path: Path) -> np.ndarray:
    """Return some frames. Raises InputError where they cannot be read."""
    try:
        return np.asarray(array[part])
    except (OSError, RuntimeError, ValueError, MemoryError) as error:
        raise InputError(f"'{path}': '{array.name}' cannot be read ({first_line(error)}): restore it") from error
