"""What a parquet file declares is bounded before anything of it is unpacked."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dist2_robot.data.parquet import Allowance, read_columns, read_lists, read_pictures
from dist2_robot.data.tasks import TASKS_FILE, read_tasks

GIB = 2**30
# Reads a file with so much memory that an honest one needs, and tells what was said of it.
CHILD = f"""
import resource, sys
from pathlib import Path
from dist2_robot.data.parquet import read_columns, read_lists, read_pictures
resource.setrlimit(resource.RLIMIT_AS, ({3 * GIB}, {3 * GIB}))
try:
    {{}}
except ValueError as error:
    print(error)
"""


def write(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path, compression="zstd")
    return path


def said_of(path: Path, read: str) -> str:
    """Return what a child with little memory says."""
    code = CHILD.format(read.format(f"Path({str(path)!r})"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.fault("A9")
def test_numbers_that_a_file_of_this_size_cannot_honestly_hold_are_not_unpacked(tmp_path):
    path = write(tmp_path / "x", action=np.zeros(10**8, np.float32))
    assert path.stat().st_size < 10**6
    assert "unpacks to" in said_of(path, "read_columns({})")


@pytest.mark.fault("A9")
def test_a_long_text_in_every_row_is_not_unpacked(tmp_path):
    path = write(tmp_path / "x", task=pa.DictionaryArray.from_arrays(np.zeros(10**4, np.int32), ["x" * 10**6]))
    assert path.stat().st_size < 10**6
    assert "texts" in said_of(path, "read_lists({})")


@pytest.mark.fault("A9")
def test_a_large_picture_in_every_row_is_unpacked_a_few_at_a_time(tmp_path):
    bytes_of = pa.DictionaryArray.from_arrays(np.zeros(10**4, np.int32), pa.array([b"x" * 10**7]))
    path = write(tmp_path / "x", camera=pa.StructArray.from_arrays([bytes_of], ["bytes"]))
    assert "26 rows" in said_of(path, 'print(len(next(read_pictures({}, "camera", 256))), "rows")')


@pytest.mark.fault("A9")
def test_bombs_that_are_small_one_by_one_are_counted_together(tmp_path):
    paths = [write(tmp_path / str(i), x=np.zeros(3 * 10**6)) for i in range(12)]
    allowance = Allowance()
    for path in paths[:4]:
        read_columns(path, allowance=allowance)
    with pytest.raises(ValueError, match="unpacks to"):
        [read_columns(path, allowance=allowance) for path in paths[4:]]


def test_columns_that_are_not_asked_for_are_not_counted(tmp_path):
    path = write(tmp_path / "x", action=np.zeros((10), np.float32), bomb=["x"] * 10)
    assert read_columns(path, ["action"]).column_names == ["action"]
    assert read_columns(path, ["action", "other"], some=True).column_names == ["action"]
    with pytest.raises(ValueError, match="no column"):
        read_columns(path, ["other"])


def test_a_robot_that_stands_still_is_read(tmp_path):
    rows = 200_000
    columns = {f"still{i}": np.zeros(rows, np.float32) for i in range(50)}
    path = write(tmp_path / "x", index=np.arange(rows), **columns)
    assert read_columns(path).num_rows == rows


def test_pictures_and_texts_come_as_they_were(tmp_path):
    pictures = [{"bytes": bytes([i]) * 10, "path": None} for i in range(7)]
    path = write(tmp_path / "x", camera=pictures, task=["a", None, "a", "b", "a", "a", "a"])
    assert read_columns(path)["camera"].to_pylist() == pictures
    assert [cell.as_py() for part in read_pictures(path, "camera", 3) for cell in part] == pictures
    assert read_lists(path, ["task"]) == {"task": ["a", None, "a", "b", "a", "a", "a"]}


@pytest.mark.fault("A8")
@pytest.mark.parametrize("read", [read_columns, read_lists, lambda path: next(read_pictures(path, "camera", 1))])
def test_a_pipe_is_no_parquet_file(tmp_path, read):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(ValueError, match="no regular file"):
        read(tmp_path / "x")


@pytest.mark.fault("A12")
@pytest.mark.parametrize(
    "columns",
    [
        {"task_index": ["x"], "task": ["Push."]},
        {"task_index": [0], "task": [3.5]},
        {"task_index": [[0]], "task": ["Push."]},
        {"task_index": [0.5], "task": ["Push."]},
        {"task_index": [0], "task": [["Push."]]},
        {"task_index": [0]},
        {"x": [0]},
    ],
)
def test_tasks_of_other_kinds_are_one_line(tmp_path, columns):
    (tmp_path / "meta").mkdir()
    write(tmp_path / TASKS_FILE, **columns)
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        read_tasks(tmp_path)


@pytest.mark.fault("A12")
def test_a_column_that_is_there_twice_is_named(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "a.parquet")
    for read in (read_columns, read_lists):
        with pytest.raises(ValueError, match=r"twice: \['a'\]"):
            read(tmp_path / "a.parquet")
