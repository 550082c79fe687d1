"""Reads a user's own table of distances, and says in one line what is wrong with it. V tokens, G groups."""

import math
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from dist2_robot.distances.distance_error import DistanceError
from dist2_robot.files import MIB, open_regular, read_text
from dist2_robot.json_file import read_json

MAX_BYTES = 256 * MIB  # 5000 tokens in 64 bits
MAX_TEXT_BYTES = 64 * MIB
# Of the largest distance: what rounding to 32 bits, or to the six digits of a text file, leaves. It is mended.
ROUNDING = 1e-5


def read_distances(path: Path) -> Tensor:
    """Return a table (G, V, V), float64, from a file; G is 1 where it holds one table (V, V) for all groups.

    ``.npy`` holds an array, ``.json`` nested lists, ``.csv`` numbers with commas between them and no header, (V, V)
    only. Nothing in a file is ever run: arrays of objects are refused.

    Raises:
        DistanceError: There is no such file, it is of another kind, cannot be read, or holds no distances: not square,
            not finite, not symmetric, negative or not zero on the diagonal. It names the place.
    """
    if path.suffix.lower() not in (".npy", ".csv", ".json"):
        raise DistanceError(f"a file of distances ends in .npy, .csv or .json, not '{path.name}'")
    if path.is_dir() or not path.exists():
        raise DistanceError(f"there is no file of distances '{path}'")
    try:
        values = _read(path)
    except Exception as error:  # of a spoilt array numpy raises anything from TokenError to SystemError
        raise DistanceError(f"cannot read distances from '{path}': {' '.join(str(error).split())}") from error
    if values.dtype.kind not in "fiu":
        raise DistanceError(f"'{path}' holds {values.dtype}, and distances are numbers")
    if values.ndim not in (2, 3) or values.shape[-1] != values.shape[-2] or values.shape[-1] < 2 or not len(values):
        raise DistanceError(f"'{path}' must hold (V, V) or (groups, V, V) distances, got {values.shape}")
    table = torch.from_numpy(values.astype(np.float64)).reshape(-1, *values.shape[-2:])
    return _check(table, path)


def _read(path: Path) -> np.ndarray:
    if path.suffix.lower() == ".npy":
        with open_regular(path) as file:
            return _read_array(file)
    if path.suffix.lower() == ".json":
        return np.asarray(read_json(path))
    lines = [line for line in read_text(path, MAX_TEXT_BYTES).splitlines() if line.strip()]
    rows = [_row(line, number) for number, line in enumerate(lines, 1)]
    if odd := [number for number, row in enumerate(rows, 1) if len(row) != len(rows[0])]:
        raise ValueError(f"row {odd[0]} has {len(rows[odd[0] - 1])} numbers, row 1 has {len(rows[0])}")
    return np.asarray(rows)


def _read_array(file: BinaryIO) -> np.ndarray:
    """Return the array of a .npy file, whose size is compared with that of the file before anything is allocated."""
    version = npy.read_magic(file)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read_header is None:
        raise ValueError(f"it is of .npy version {version}, which holds no plain numbers")
    shape, _, dtype = read_header(file)
    size, held = math.prod(shape) * dtype.itemsize, os.fstat(file.fileno()).st_size
    if size > min(held, MAX_BYTES):
        raise ValueError(f"it declares {shape} {dtype}, {size} bytes; it has {held}, and at most {MAX_BYTES} are read")
    file.seek(0)
    return npy.read_array(file, allow_pickle=False)


def _row(line: str, number: int) -> np.ndarray:
    return np.array([_number(cell, number, column) for column, cell in enumerate(line.split(","), 1)])


def _number(cell: str, row: int, column: int) -> float:
    """Return the number in a cell. What else is in it is not told: the file may be another, with secrets in it."""
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"row {row}: column {column} is no number (numbers only, no header)") from None


def _check(table: Tensor, path: Path) -> Tensor:
    """Return the table (G, V, V) without what rounding left. Raises DistanceError where it holds no distances."""
    _refuse(~(table.abs() <= torch.finfo(torch.float32).max), table, path, "is not finite in 32 bits")
    slack = ROUNDING * table.abs().amax(dim=(1, 2), keepdim=True)
    _refuse(table < -slack, table, path, "is negative")
    _refuse(torch.diag_embed(table.diagonal(dim1=1, dim2=2)) > slack, table, path, "is not zero, on the diagonal")
    _refuse((table - table.mT).abs() > slack, table, path, "is not the distance the other way round: not symmetric")
    table = (table.clamp(min=0) + table.mT.clamp(min=0)) / 2
    table.diagonal(dim1=1, dim2=2).zero_()
    return table


def _refuse(wrong: Tensor, table: Tensor, path: Path, what: str) -> None:
    """Raise DistanceError at the first wrong entry of (G, V, V)."""
    if wrong.any():
        group, row, column = wrong.nonzero()[0].tolist()
        where = f"({row}, {column})" if len(table) == 1 else f"({row}, {column}) of group {group}"
        back = f", back it is {table[group, column, row]:.6g}" if "symmetric" in what else ""
        raise DistanceError(f"'{path}': the distance {table[group, row, column]:.6g} at {where} {what}{back}")
