"""Reads a user's own table of distances, and says in one line what is wrong with it. V tokens, G groups."""

import json
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from dist2_robot.distances.distance_error import DistanceError

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
    if not path.is_file():
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
        with path.open("rb") as file:
            return npy.read_array(file, allow_pickle=False)
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".json":
        return np.asarray(json.loads(text))
    rows = [line.split(",") for line in text.splitlines() if line.strip()]
    return np.asarray([_numbers(row, number) for number, row in enumerate(rows, 1)])


def _numbers(row: list[str], number: int) -> list[float]:
    try:
        return [float(cell) for cell in row]
    except ValueError as error:
        raise ValueError(f"row {number}: {error} (numbers only, no header)") from error


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
