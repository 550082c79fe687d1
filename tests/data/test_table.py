"""Whatever is wrong with a dataset is said in one line that names the file and a way out."""

import json
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from dist2_robot.data.folder import INFO_FILE, from_hub, open_folder
from dist2_robot.data.recorded_spec import recorded_spec
from dist2_robot.data.table import join_tables, read_table
from dist2_robot.errors import InputError
from tests.data.recordings import (
    DATA_FILE,
    LENGTHS,
    NAMES,
    SPEC,
    STARTS,
    edit,
    replace_column,
    write_filmed,
    write_reach,
)

WAY_OUT = r"(record|download|restore|convert|leave this|give|mend|name)\b[^:;]*$"


@pytest.fixture
def copy(reach, tmp_path):
    """Return a copy of the dataset that may be damaged."""
    return shutil.copytree(reach, tmp_path / "reach")


def read(root):
    folder = open_folder(root)
    return recorded_spec(folder, read_table(folder).features["action"])


def complaint(root):
    with pytest.raises(InputError) as caught:
        read(root)
    message = str(caught.value)
    assert "\n" not in message
    assert re.search(WAY_OUT, message), message
    return message


def write_info(root, **changes):
    info = json.loads((root / INFO_FILE).read_text())
    (root / INFO_FILE).write_text(json.dumps({k: v for k, v in (info | changes).items() if v is not None}))


def test_a_sound_dataset_is_read_as_it_was_written(reach):
    table = read_table(open_folder(reach))
    assert table.episode_starts.tolist() == list(STARTS)
    assert (table.episode_ends - table.episode_starts).tolist() == list(LENGTHS)
    assert table.frames_of([1, 0]).tolist() == [*range(12, 21), *range(12)]
    assert read_table(open_folder(reach), ["observation.state"]).features.keys() == {"observation.state", "action"}


@pytest.mark.fault("R9")
@pytest.mark.parametrize(
    ("column", "dimension", "name"),
    [("action", 1, "gripper"), ("observation.state", 0, "x")],
)
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_found(copy, column, dimension, name, number):
    def damage(table):
        values = table[column].to_pylist()
        values[STARTS[2] + 9][dimension] = number
        return replace_column(table, column, values)

    path = edit(copy, damage)
    message = complaint(copy)
    assert f"'{path}': episode 2, frame 9: '{column}' dimension '{name}' is {number}" in message


@pytest.mark.fault("R9")
@pytest.mark.parametrize(
    ("keep", "row"),
    [
        ([*range(40), 41, 40, *range(42, 96)], "row 40 (episode 3, frame 5)"),  # two frames change places
        ([*range(12, 21), *range(12), *range(21, 96)], "row 9 (episode 0, frame 0)"),  # two episodes do
        ([*range(5), *range(6, 96)], "row 5 (episode 0, frame 6)"),
        (range(1, 96), "row 0 (episode 0, frame 1)"),
        ([*range(12), *range(21, 96)], "row 12 (episode 2, frame 0)"),  # a whole episode is gone
        ([*range(96), 95], "row 96 (episode 7, frame 11)"),
        (range(95), "95 frames, its info.json tells 96"),
    ],
)
def test_rows_that_are_missing_or_out_of_order_are_found(copy, keep, row):
    path = edit(copy, lambda table: table.take(list(keep)))
    message = complaint(copy)
    assert row in message
    assert str(path) in message or str(copy) in message


@pytest.mark.fault("R9")
def test_a_missing_data_file_is_found(copy, reach):
    first, second = copy / DATA_FILE, copy / "data/chunk-000/file-001.parquet"
    whole = pq.read_table(first)
    pq.write_table(whole.slice(0, STARTS[4]), first)
    pq.write_table(whole.slice(STARTS[4]), second)
    assert read_table(open_folder(copy)).fingerprint == read_table(open_folder(reach)).fingerprint

    first.rename(copy / "away")
    assert f"'{second}' starts at frame {STARTS[4]}" in complaint(copy)
    (copy / "away").rename(first)
    second.unlink()
    assert f"holds {STARTS[4]} frames, its info.json tells 96" in complaint(copy)
    first.unlink()
    assert f"'{copy / 'data'}' holds no parquet file" in complaint(copy)


@pytest.mark.fault("R9")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"total_frames": 97}, "97"),
        ({"total_episodes": 9}, "9"),
        (
            {"codebase_version": "v2.1"},
            "codebase_version v2.1, we read v3.0: convert it with dist2-import source=",
        ),
        ({"codebase_version": None}, "codebase_version None"),
        ({"fps": None}, "'fps'"),
        ({"fps": "fast"}, "'fps'"),
        ({"fps": 0}, "'fps'"),
        ({"fps": 30}, "timestamp"),
        ({"features": None}, "'features'"),
        ({"features": []}, "'features'"),
        ({"features": {"observation.state": {"dtype": "float32", "shape": [3], "names": None}}}, "'action'"),
        ({"features": {"action": {"dtype": "float32"}}}, "'action'"),
        ({"features": {"action": {"dtype": "float32", "shape": [2], "names": None}}}, "observation"),
    ],
)
def test_wrong_metadata_are_found(copy, changes, says):
    write_info(copy, **changes)
    message = complaint(copy)
    assert says in message
    assert str(copy) in message


@pytest.mark.fault("R9")
def test_a_wrong_shape_is_found(copy):
    info = json.loads((copy / INFO_FILE).read_text())
    info["features"]["action"]["shape"] = [3]
    (copy / INFO_FILE).write_text(json.dumps(info))
    assert f"'{copy / DATA_FILE}': 'action' has 2 numbers a frame, info.json tells 3" in complaint(copy)


@pytest.mark.fault("R9")
@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (([0.0, 0.0, 0.0], [0.0]), "'action' does not have the same number of values in every frame: 2 in row 0, 3"),
        ((None, [0.0, 0.0]), "'action' is empty in row 3"),
    ],
)
def test_frames_of_different_length_are_found(copy, odd, said):
    def damage(table):
        values = table["action"].to_pylist()
        values[3:5] = odd
        number = table.schema.get_field_index("action")
        return table.set_column(number, "action", pa.array(values, pa.list_(pa.float32())))

    path = edit(copy, damage)
    assert f"'{path}' cannot be read ({said}" in complaint(copy)


@pytest.mark.fault("R9")
def test_a_frame_without_an_action_is_found(copy):
    def damage(table):
        values = table["action"].to_pylist()
        values[3] = None
        return replace_column(table, "action", values)

    path = edit(copy, damage)
    assert f"'{path}'" in complaint(copy)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"x"'])
@pytest.mark.parametrize("file", ["meta/info.json", "meta/dist2_robot.json"])
def test_broken_json_is_found(copy, file, content):
    (copy / file).write_text(content)
    assert f"'{copy / file}'" in complaint(copy)


@pytest.mark.fault("R9")
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"no parquet" * 100])
def test_a_corrupt_parquet_is_found(copy, damage):
    path = copy / DATA_FILE
    path.write_bytes(damage(path.read_bytes()))
    assert f"'{path}' cannot be read" in complaint(copy)


def test_no_rows_are_too_few(copy):
    edit(copy, lambda table: table.slice(0, 0))
    assert f"'{copy}' holds 0 frames, its info.json tells 96" in complaint(copy)


def test_a_column_that_is_not_there_is_found(copy):
    path = edit(copy, lambda table: table.drop_columns(["observation.state"]))
    message = complaint(copy)
    assert f"'{path}' cannot be read" in message
    assert "observation.state" in message


def test_a_recorded_spec_of_another_action_is_found(copy):
    path = copy / "meta/dist2_robot.json"
    recording = json.loads(path.read_text())
    recording["action_spec"]["dimensions"].pop()
    path.write_text(json.dumps(recording))
    assert f"'{path}'" in complaint(copy)


def test_what_is_no_dataset_is_told(tmp_path):
    assert f"'{tmp_path / 'nothing'}' does not exist" in complaint(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    assert f"'{tmp_path / 'file'}'" in complaint(tmp_path / "file")
    with pytest.raises(InputError, match=rf"'{tmp_path}' is not a LeRobot dataset: '.*/{INFO_FILE}' is missing"):
        open_folder(tmp_path)


def test_a_feature_to_observe_that_is_not_there_is_told(reach):
    with pytest.raises(InputError, match=r"no numeric vector 'observation.stat', only .*'observation.state'"):
        read_table(open_folder(reach), ["observation.stat"])


def test_the_fingerprint_is_of_the_content(reach, copy, tmp_path):
    fingerprint = read_table(open_folder(reach)).fingerprint
    assert read_table(open_folder(copy)).fingerprint == fingerprint
    assert read_table(open_folder(write_reach(tmp_path / "other", seed=1))).fingerprint != fingerprint


def test_a_dataset_that_the_hub_does_not_give_is_told():
    with pytest.raises(InputError, match=r"dataset 'nobody/nothing' cannot be had .*dataset\.root$") as caught:
        from_hub("nobody/nothing", None)
    assert "\n" not in str(caught.value)


def test_the_recorded_spec_is_the_recorders(reach):
    folder = open_folder(reach)
    assert recorded_spec(folder, read_table(folder).features["action"]) == SPEC
    assert {name: folder.names(name) for name in NAMES} == NAMES


def test_a_strangers_spec_is_guessed_from_names_and_ranges(teleoperated):
    folder = open_folder(teleoperated)
    table = read_table(folder)
    spec = recorded_spec(folder, table.features["action"])
    assert spec.source == "data"
    assert spec.rate_hz == 30
    assert spec.names[0] == "shoulder_pan.pos"
    assert spec.units == ("?",) * 6  # an SO-101 may be recorded in degrees and in percent
    assert [dimension.kind for dimension in spec.dimensions] == ["joint"] * 5 + ["gripper"]
    actions = table.features["action"]
    margin = 0.05 * (actions.max(0).values - actions.min(0).values)
    torch.testing.assert_close(torch.tensor([d.low for d in spec.dimensions]), actions.min(0).values - margin)
    torch.testing.assert_close(torch.tensor([d.high for d in spec.dimensions]), actions.max(0).values + margin)


def test_datasets_are_joined_episode_after_episode(reach, tmp_path):
    tables = [read_table(open_folder(root)) for root in (reach, write_filmed(tmp_path / "more", seed=3))]
    both = join_tables(tables)
    lengths = [len(table.features["action"]) for table in tables]
    assert both.episodes == tables[0].episodes + tables[1].episodes
    for name, column in both.features.items():
        assert torch.equal(column, torch.cat([table.features[name] for table in tables]))
    first_of_second = tables[0].episodes
    assert both.episode_starts[first_of_second] == lengths[0] == both.episode_ends[first_of_second - 1]
    assert both.tasks == tables[0].tasks  # the same task in both
    assert both.parts.tolist() == [0] * tables[0].episodes + [1] * tables[1].episodes
    assert both.fingerprint != join_tables(tables[::-1]).fingerprint
    assert join_tables(tables[:1]) is tables[0]


def test_the_first_episodes_of_a_table_are_a_table(reach):
    table = read_table(open_folder(reach))
    few = table.first(3)
    assert few.episodes == 3
    assert torch.equal(few.features["action"], table.features["action"][table.frames_of([0, 1, 2])])
    assert few.fingerprint == table.fingerprint
