"""Reads safetensors files that anyone may have made: what a header declares is bounded and checked before it is used.

The format: 8 bytes, the length of the header (little-endian); the header, JSON: name -> dtype, shape, data_offsets;
then the numbers. safetensors itself checks that the offsets fit shapes and file, without gap or overlap. It would take
a header of 100 MB with a million entries, and shapes of more elements than torch can count.
"""

import json
import math
import struct
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

# Room for some 50 000 tensors of usual names; a policy with its optimiser has a few hundred to a few thousand.
MAX_HEADER_BYTES = 8 * 2**20
MAX_TENSORS = 50_000
MAX_DIMENSIONS = 16
MAX_ELEMENTS = 2**40
DTYPES = ("BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "BF16", "F32", "F64")


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a file. Raises ValueError that says what is wrong with it."""
    _check_header(_read_header(path))
    try:
        return load_file(path)
    except (SafetensorError, TypeError, RuntimeError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def _read_header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
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
    return header


def _check_header(header: dict[str, Any]) -> None:
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if len(entries) > MAX_TENSORS:
        raise ValueError(f"it declares {len(entries)} tensors, at most {MAX_TENSORS} are read")
    for name, entry in entries.items():
        if not isinstance(entry, dict) or entry.get("dtype") not in DTYPES:
            raise ValueError(f"the tensor {name[:80]!r} is of no type that is read: {', '.join(DTYPES)}")
        shape = entry.get("shape")
        if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS or not all(type(n) is int for n in shape):
            raise ValueError(f"the tensor {name[:80]!r} has no valid shape")
        # Of an empty tensor the other sizes count too: torch multiplies them for its strides.
        if min(shape, default=0) < 0 or math.prod(max(n, 1) for n in shape) > MAX_ELEMENTS:
            raise ValueError(f"the tensor {name[:80]!r} has no valid shape")
