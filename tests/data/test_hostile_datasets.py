"""Datasets that anyone may have made: whatever they hold, one line says what is wrong, and nothing hangs."""

import json
import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dist2_robot.cli.validate import format_audit
from dist2_robot.data.audit.audit import audit
from dist2_robot.data.folder import open_folder
from dist2_robot.data.recorded_spec import recorded_spec
from dist2_robot.data.table import read_table
from dist2_robot.errors import InputError
from dist2_robot.evaluation.cards import dataset_card
from tests.data.recordings import DATA_FILE

INFO, STATS, OURS, TASKS = "meta/info.json", "meta/stats.json", "meta/dist2_robot.json", "meta/tasks.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
FILES = (INFO, STATS, OURS, TASKS, EPISODES, str(DATA_FILE))
ODD = (None, True, "x", "", [], {}, -1, 0, float("inf"), float("nan"), 10**400, [[1]], {"a": {"b": 1}}, ["x"], [10**12])


@pytest.fixture
def root(reach, tmp_path):
    return shutil.copytree(reach, tmp_path / "reach")


def train(root):
    folder = open_folder(root)
    recorded_spec(folder, read_table(folder).features["action"])


READERS = (
    train,
    lambda root: format_audit(audit(root)),
    lambda root: dataset_card(open_folder(root), title="t", licence=None),
)


def refused(root):
    """Call each reader; return how many refused, each in a line."""
    said = []
    for read in READERS:
        try:
            read(root)
        except InputError as error:
            said.append(str(error))
    assert not any("\n" in line for line in said)
    return len(said)


def edited(content, place, value):
    """Return a copy of some JSON with another value in a place."""
    copy = json.loads(json.dumps(content))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return copy


@pytest.mark.fault("A12")
@pytest.mark.parametrize("value", ODD, ids=lambda x: str(x)[:12])
@pytest.mark.parametrize(
    ("file", "place"),
    [
        *((INFO, (key,)) for key in ("fps", "features", "total_frames", "total_episodes", "robot_type")),
        (INFO, ("features", "action")),
        *((INFO, ("features", "action", key)) for key in ("dtype", "shape", "names")),
        (INFO, ("features", "index", "shape")),
        (STATS, ("action",)),
        *((STATS, ("action", key)) for key in ("mean", "q01", "q99")),
        *((OURS, (key,)) for key in ("action_spec", "environment", "episode_seeds", "observation_units")),
        (OURS, ("action_spec", "dimensions")),
        *((OURS, ("action_spec", "dimensions", 0, key)) for key in ("name", "unit", "low", "kind")),
    ],
    ids=lambda x: ".".join(map(str, x)) if isinstance(x, tuple) else None,
)
def test_any_value_in_place_of_any_other_is_read_or_refused_in_a_line(root, file, place, value):
    content = json.loads((root / file).read_text())
    (root / file).write_text(json.dumps(edited(content, place, value)))
    refused(root)


COLUMNS = {
    "texts": lambda n: pa.array(["x"] * n),
    "nothing": pa.nulls,
    "infinite": lambda n: pa.array([float("inf")] * n),
    "huge": lambda n: pa.array([2**62] * n),
    "lists": lambda n: pa.array([[1.0, 2.0]] * n),
    "ragged": lambda n: pa.array([[1.0] * (i % 3) for i in range(n)]),
    "tables": lambda n: pa.array([{"a": 1}] * n),
    "lists of texts": lambda n: pa.array([["x"]] * n),
    "unsigned": lambda n: pa.array([2**64 - 1] * n, pa.uint64()),
    "times": lambda n: pa.array([1] * n, pa.timestamp("us")),
    "some missing": lambda n: pa.array([None, *[1] * (n - 1)], pa.int64()),
}


@pytest.mark.fault("A12")
@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize(
    ("file", "column"),
    [
        *((DATA_FILE, name) for name in ("action", "episode_index", "frame_index", "timestamp", "task_index")),
        *((EPISODES, name) for name in ("episode_index", "length", "dataset_from_index")),
        (TASKS, "task_index"),
    ],
)
def test_any_column_in_place_of_any_other_is_read_or_refused_in_a_line(root, file, column, kind):
    table = pq.read_table(root / file)
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, COLUMNS[kind](len(table))), root / file)
    refused(root)


@pytest.mark.fault("A8")
@pytest.mark.parametrize("file", FILES)
def test_a_pipe_in_place_of_any_file_hangs_nobody(root, file):
    (root / file).unlink()
    os.mkfifo(root / file)
    assert refused(root) or audit(root).findings


@pytest.mark.fault("A9")
@pytest.mark.parametrize("shape", [[10**12], [2**20, 2**20], [1] * 100, [2**21]])
def test_a_shape_that_no_frame_has_is_refused_before_its_numbers_are_counted(root, shape):
    info = json.loads((root / INFO).read_text())
    for feature in ("action", "observation.state"):
        (root / INFO).write_text(json.dumps(edited(info, ("features", feature, "shape"), shape)))
        with pytest.raises(InputError, match=feature):
            open_folder(root)


@pytest.mark.fault("A9")
def test_a_bomb_among_the_data_is_a_line_and_a_finding(root):
    path = root / "data/chunk-000/file-001.parquet"
    table = pq.read_table(root / DATA_FILE)
    rows = 4 * 10**7
    still = {name: np.zeros(rows, table[name].type.to_pandas_dtype()) for name in ("index", "timestamp")}
    pq.write_table(pa.table(still), path, compression="zstd")
    assert path.stat().st_size < 10**6
    found = [finding for finding in audit(root).of("error") if finding.file == "data/chunk-000/file-001.parquet"]
    assert any("cannot honestly hold" in finding.message for finding in found)
    assert refused(root)
