"""Reads safetensors files that anyone may have made: what a header declares is bounded and checked before it is used.

The format: 8 bytes, the length of the header (little-endian); the header, JSON: name -> dtype, shape, data_offsets;
then the numbers. safetensors itself checks that the offsets fit shapes and file, without gap or overlap. It would take
a header of 100 MB with a million entries, and shapes of more elements than torch can count.
"""

import json
import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dist2_robot.files import open_regular, regular

# Room for some 50 000 tensors of usual names; a policy with its optimiser has a few hundred to a few thousand.
MAX_HEADER_BYTES = 8 * 2**20
MAX_TENSORS = 50_000
MAX_DIMENSIONS = 16
MAX_ELEMENTS = 2**40


# The largest file that is read: a language model of 7 billion weights with the state of its optimiser has 90 GB.
MAX_FILE_BYTES = 96 * 2**30
DTYPES = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "I32": 4, "I64": 8, "F16": 2, "BF16": 2, "F32": 4, "F64": 8}  # bytes


@dataclass(frozen=True)
class Entry:
    """Attributes:
    dtype: One of `DTYPES`.
    shape: Of the tensor.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def load_tensors(path: Path, at_most: int = MAX_FILE_BYTES) -> dict[str, Tensor]:
    """Return all tensors of a file. Raises ValueError or OSError that says what is wrong with it."""
    read_header(path, at_most)
    try:
        return load_file(regular(path))
    except (SafetensorError, TypeError, RuntimeError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def read_header(path: Path, at_most: int = MAX_FILE_BYTES) -> dict[str, Entry]:
    """Return what a file declares, by name, read from its first bytes alone.

    Args:
        path: The file.
        at_most: How many bytes the whole file may have.

    Raises:
        ValueError: It is no such file, or longer or shorter than it declares. It says what, not where.
        OSError: It cannot be opened.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > at_most:
            raise ValueError(f"it has {size} bytes, at most {at_most} are read")
        header, length = _parse_header(file)
    entries = _checked_entries(header)
    declared = 8 + length + sum(entry.count * DTYPES[entry.dtype] for entry in entries.values())
    if declared != size:
        raise ValueError(f"it has {size} bytes, its header declares {declared}")
    return entries


def _parse_header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """Return the header of a file, and how many bytes it takes."""
    prefix = file.read(8)
    if len(prefix) < 8:
        raise ValueError("it is cut off")
    (length,) = struct.unpack("<Q", prefix)
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"its header declares {length} bytes, at most {MAX_HEADER_BYTES} are read")
    content = file.read(length)
    if len(content) < length:
        raise ValueError("it is cut off")
    try:
        header = json.loads(content.decode())
    except (ValueError, RecursionError):
        raise ValueError("its header is no JSON") from None
    if not isinstance(header, dict):
        raise ValueError("its header is no table of tensors")
    return header, length


def _checked_entries(header: dict[str, Any]) -> dict[str, Entry]:
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if len(entries) > MAX_TENSORS:
        raise ValueError(f"it declares {len(entries)} tensors, at most {MAX_TENSORS} are read")
    for name, entry in entries.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str) or entry["dtype"] not in DTYPES:
            raise ValueError(f"the tensor {name[:80]!r} is of no type that is read: {', '.join(DTYPES)}")
        shape = entry.get("shape")
        if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS or not all(type(n) is int for n in shape):
            raise ValueError(f"the tensor {name[:80]!r} has no valid shape")
        # Of an empty tensor the other sizes count too: torch multiplies them for its strides.
        if min(shape, default=0) < 0 or math.prod(max(n, 1) for n in shape) > MAX_ELEMENTS:
            raise ValueError(f"the tensor {name[:80]!r} has no valid shape")
    return {name: Entry(entry["dtype"], tuple(entry["shape"])) for name, entry in entries.items()}
