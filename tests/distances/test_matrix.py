"""A user's own table of distances, and what is wrong with files that hold none. V tokens, G groups."""

import json
import math
import os
import re

import numpy as np
import pytest
import torch
from numpy.lib import format as npy

from dist2_robot.checkpoints.registry import build_distance
from dist2_robot.distances.distance_error import DistanceError
from dist2_robot.distances.matrix import MatrixDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.errors import InputError

TABLE = np.array([[0.0, 1.5, 4.0], [1.5, 0.0, 2.0], [4.0, 2.0, 0.0]])
TWO = np.stack([TABLE, 3 * TABLE])
POINTS = TokenPoints.of_values(torch.arange(6.0).view(2, 3))


def write(path, table):
    if path.suffix == ".npy":
        np.save(path, table)
    elif path.suffix == ".json":
        path.write_text(json.dumps(np.asarray(table).tolist()))
    else:
        path.write_text("\n".join(",".join(map(repr, row)) for row in np.asarray(table).tolist()))
    return str(path)


def changed(row, column, value, *, both=True):
    table = TABLE.copy()
    table[row, column] = value
    if both:
        table[column, row] = value
    return table


@pytest.mark.parametrize("kind", ["npy", "json", "csv", "NPY"])
def test_one_table_serves_every_group(tmp_path, kind):
    path = write(tmp_path / f"table.{kind.lower()}", TABLE)
    if kind == "NPY":
        (tmp_path / "table.npy").rename(path := str(tmp_path / "TABLE.NPY"))
    table = POINTS.distances(MatrixDistance(path))
    assert torch.equal(table.distances, torch.from_numpy(TABLE).float().expand(2, 3, 3))
    assert torch.equal(table.groups, POINTS.groups)


@pytest.mark.parametrize("kind", ["npy", "json"])
def test_each_group_may_have_its_table(tmp_path, kind):
    table = POINTS.distances(MatrixDistance(write(tmp_path / f"table.{kind}", TWO)))
    assert torch.equal(table.distances, torch.from_numpy(TWO).float())


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i4", "u1", "f2"])
def test_numbers_of_any_kind_are_read(tmp_path, dtype):
    whole = np.array([[0, 1], [1, 0]]).astype(dtype)
    assert MatrixDistance(write(tmp_path / "table.npy", whole)).distances.tolist() == [[[0, 1], [1, 0]]]


def test_a_spreadsheet_writes_a_byte_order_mark_and_empty_lines(tmp_path):
    (tmp_path / "table.csv").write_text("\ufeff0, 1\r\n1, 0\r\n\r\n", encoding="utf-8")
    assert MatrixDistance(str(tmp_path / "table.csv")).distances.tolist() == [[[0, 1], [1, 0]]]


def test_what_rounding_leaves_is_mended(tmp_path):
    rounded = TABLE + np.array([[-1e-9, 2e-9, 0], [0, 1e-9, 0], [1e-6, 0, 0]])
    found = MatrixDistance(write(tmp_path / "table.npy", rounded)).distances
    assert torch.equal(found, found.mT)
    assert not found.diagonal(dim1=1, dim2=2).any()
    assert torch.allclose(found[0], torch.from_numpy(TABLE), atol=1e-5)


@pytest.mark.parametrize("kind", ["npy", "json", "csv"])
@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            changed(0, 2, 4.5, both=False),
            "the distance 4.5 at (0, 2) is not the distance the other way round: not symm",
        ),
        (changed(0, 2, 4.5, both=False), "back it is 4$"),
        (changed(1, 2, -2.0), "the distance -2 at (1, 2) is negative"),
        (changed(1, 1, 0.5), "the distance 0.5 at (1, 1) is not zero, on the diagonal"),
        (changed(0, 1, math.nan), "the distance nan at (0, 1) is not finite"),
        (changed(0, 1, math.inf), "the distance inf at (0, 1) is not finite"),
        (changed(0, 1, 1e39), "the distance 1e+39 at (0, 1) is not finite in 32 bits"),
        (TABLE[:2], "must hold (V, V) or (groups, V, V) distances, got (2, 3)"),
        (TABLE[:1, :1], "must hold (V, V) or (groups, V, V) distances, got (1, 1)"),
    ],
)
def test_a_table_that_holds_no_distances_is_refused_and_the_place_named(tmp_path, kind, table, message):
    pattern = re.escape(message).replace(r"\$", "$")
    with pytest.raises(DistanceError, match=rf"^[^\n]*{pattern}"):
        MatrixDistance(write(tmp_path / f"table.{kind}", table))


def test_the_group_of_a_wrong_distance_is_named(tmp_path):
    with pytest.raises(DistanceError, match=r"the distance -1 at \(0, 1\) of group 1 is negative"):
        MatrixDistance(write(tmp_path / "table.npy", np.stack([TABLE, changed(0, 1, -1.0)])))


BAD_FILES = {
    "empty.npy": (b"", "cannot read distances"),
    "text.npy": (b"0,1\n1,0\n", "cannot read distances"),
    "header.npy": (b"\x93NUMPY\x01\x00\x08\x00{'a': (\n\x00", "cannot read distances"),
    "empty.csv": (b"", r"got \(0,\)"),
    "header.csv": (b"a,b\n0,1\n", "row 1: .*numbers only, no header"),
    "ragged.csv": (b"0,1\n1\n", "cannot read distances"),
    "latin.csv": (b"\xff\xfe,1\n", "cannot read distances"),
    "broken.json": (b"[[0, 1], [1, 0]", "cannot read distances"),
    "deep.json": (b"[" * 100_000, "cannot read distances"),
    "ragged.json": (b"[[0, 1], [1]]", "cannot read distances"),
    "words.json": (b'[["0", "1"], ["1", "0"]]', "distances are numbers"),
    "truth.json": (b"[[false, true], [true, false]]", "distances are numbers"),
    "holes.json": (b"[[0, null], [null, 0]]", "distances are numbers"),
    "names.json": (b'{"a": 1}', "distances are numbers"),
    "number.json": (b"3", r"got \(\)"),
    "none.json": (b"[]", r"got \(0,\)"),
    "table.txt": (b"0,1\n1,0\n", r"ends in \.npy, \.csv or \.json, not 'table\.txt'"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path, name):
    content, message = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DistanceError, match=rf"^[^\n]*{message}[^\n]*$"):
        MatrixDistance(str(tmp_path / name))


def test_an_array_of_objects_is_refused_and_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'sprung')!r}, 'w')",)

    np.save(tmp_path / "trap.npy", np.array([[Trap()]], dtype=object), allow_pickle=True)
    with pytest.raises(DistanceError, match=r"^cannot read distances[^\n]*$"):
        MatrixDistance(str(tmp_path / "trap.npy"))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_a_file_that_was_cut_off_is_refused(tmp_path, share):
    content = (tmp_path / "table.npy", write(tmp_path / "table.npy", np.zeros((30, 30))))[0].read_bytes()
    (tmp_path / "table.npy").write_bytes(content[: int(share * len(content))])
    with pytest.raises(DistanceError, match="cannot read distances"):
        MatrixDistance(str(tmp_path / "table.npy"))


def test_a_header_that_promises_more_than_memory_is_refused(tmp_path):
    with (tmp_path / "table.npy").open("wb") as file:
        npy.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**8, 10**8)})
    with pytest.raises(DistanceError, match="cannot read distances"):
        MatrixDistance(str(tmp_path / "table.npy"))


@pytest.mark.parametrize("path", [None, "", 3])
def test_a_file_must_be_given(path):
    with pytest.raises(DistanceError, match=r"give distance\.path=FILE"):
        MatrixDistance(path)


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / "nothing.npy", tmp_path / "folder.csv"):
        (tmp_path / "folder.csv").mkdir(exist_ok=True)
        with pytest.raises(DistanceError, match=f"there is no file of distances '{path}'"):
            MatrixDistance(str(path))
        with pytest.raises(InputError, match=r"^distance 'matrix': there is no file"):
            build_distance({"name": "matrix", "path": str(path)})


def test_a_table_for_other_tokens_or_groups_is_refused(tmp_path):
    of_three = MatrixDistance(write(tmp_path / "table.npy", TABLE))
    with pytest.raises(DistanceError, match="has distances of 3 tokens, and there are 4"):
        TokenPoints.of_values(torch.arange(4.0)).distances(of_three)
    of_two = MatrixDistance(write(tmp_path / "two.npy", TWO))
    with pytest.raises(DistanceError, match="has tables for 2 groups of positions, and there are 1"):
        TokenPoints.of_values(torch.arange(3.0)).distances(of_two)


def test_it_knows_tokens_and_no_values(tmp_path):
    distance = MatrixDistance(write(tmp_path / "table.npy", TABLE))
    with pytest.raises(DistanceError, match="no values"):
        distance(torch.zeros(1), torch.ones(1))
    with pytest.raises(ValueError, match="unit=tolerance"):
        MatrixDistance(write(tmp_path / "table.npy", TABLE), unit="bins")


@pytest.mark.fault("A13")
def test_what_is_in_a_file_that_holds_no_distances_is_not_told(tmp_path):
    (tmp_path / "secret.csv").write_text("root:hush:0\n")
    with pytest.raises(DistanceError, match="row 1: column 1 is no number") as caught:
        MatrixDistance(str(tmp_path / "secret.csv"))
    assert "hush" not in str(caught.value)


@pytest.mark.fault("A8")
@pytest.mark.parametrize("ending", ["npy", "csv", "json"])
def test_a_pipe_holds_no_distances(tmp_path, ending):
    os.mkfifo(tmp_path / f"pipe.{ending}")
    with pytest.raises(DistanceError, match="no regular file"):
        MatrixDistance(str(tmp_path / f"pipe.{ending}"))


@pytest.mark.fault("A9")
def test_an_array_that_is_larger_than_its_file_is_not_allocated(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (300000, 300000), }"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 64
    (tmp_path / "huge.npy").write_bytes(content)
    with pytest.raises(DistanceError, match="declares"):
        MatrixDistance(str(tmp_path / "huge.npy"))
