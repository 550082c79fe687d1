"""Bounds on what is read from files that anyone may have made."""

from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path

import numpy as np

from dist2_robot.data.vectors import MAX_NUMBERS
from dist2_robot.errors import InputError

MAX_BYTES = 4 * 2**30  # of one array
SMALL_BYTES = 64 * 2**20  # an array of this size is read however well it is packed
MAX_PACKING = 1000  # bytes in memory for a byte in the file
SMALL_SOURCE_BYTES = 256 * 2**20  # all arrays together are read if they are no larger, however well they are packed
MAX_SOURCE_PACKING = 200  # else bytes in memory, of all arrays together, for a byte in the file
NUMBERS = "biuf"  # kinds of numpy types: booleans, integers, floating point


def is_read_whole(shape: Sequence[int], dtype: np.dtype) -> bool:
    """Tell whether an array (T, ...) can be numbers of a vector, several axes flattened, rather than pictures."""
    is_film = len(shape) == 4 and shape[-1] == 3 and dtype == np.uint8
    return not is_film and (len(shape) < 3 or prod(int(n) for n in shape[1:]) <= MAX_NUMBERS)


def check_array(where: str, shape: Sequence[int], dtype: np.dtype, stored_bytes: int | None = None) -> None:
    """Raise InputError unless an array of numbers can be read without harm.

    Args:
        where: File and name, for the message.
        shape: As the file declares it.
        dtype: As the file declares it.
        stored_bytes: That the file really has for it.
    """
    if dtype.kind not in NUMBERS:
        what = "Python objects, which are never read" if dtype.hasobject else f"'{dtype}', no numbers"
        raise InputError(f"{where} holds {what}: leave it out of the file")
    size = prod(int(n) for n in shape) * dtype.itemsize
    bound = MAX_BYTES if stored_bytes is None else min(MAX_BYTES, max(SMALL_BYTES, MAX_PACKING * stored_bytes))
    if size > bound:
        raise InputError(f"{where} declares {tuple(shape)} {dtype}, {size / 2**20:.0f} MiB, which the file cannot hold")


def check_together(path: Path, array_bytes: Iterable[int], stored_bytes: int) -> None:
    """Raise InputError where arrays that are kept in memory together are more than their file can honestly hold.

    Args:
        path: Of the file, for the message.
        array_bytes: Size in memory of each array.
        stored_bytes: Size of the file.
    """
    total = sum(array_bytes)
    if total > max(SMALL_SOURCE_BYTES, MAX_SOURCE_PACKING * stored_bytes):
        raise InputError(
            f"'{path}' unpacks to {total // 2**20} MiB in all, which {-(-stored_bytes // 1024)} KiB cannot hold"
        )
