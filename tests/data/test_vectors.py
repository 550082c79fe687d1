"""Names and shapes of other people's vectors."""

import json

import numpy as np
import pytest
import torch

from dist2_robot.data.folder import INFO_FILE, open_folder
from dist2_robot.data.recorded_spec import recorded_spec
from dist2_robot.data.table import read_table
from dist2_robot.data.vectors import MAX_NUMBERS, is_vector, vector_names
from tests.data.strangers import edit_info, swings, write_strange


@pytest.mark.parametrize(
    ("names", "shape", "right"),
    [
        (["a", "b"], [2], ["a", "b"]),
        ([["a", "b"]], [2], ["a", "b"]),  # a Unitree G1
        ([["a"], ["b", "c"]], [3], ["a", "b", "c"]),
        ({"motors": ["a", "b"]}, [2], ["a", "b"]),
        ({"arm": ["a", "b"], "hand": ["c"]}, [3], ["a", "b", "c"]),
        ({"left": ["a", "b"], "right": ["a", "b"]}, [4], ["left.a", "left.b", "right.a", "right.b"]),
        ({"b": 1, "a": 0}, [2], ["a", "b"]),  # HIL-SERL
        ({"axes": [["a", "b"]]}, [2], ["a", "b"]),
        (None, [2], ["x[0]", "x[1]"]),
        ([], [2], ["x[0]", "x[1]"]),
        ("ab", [2], ["x[0]", "x[1]"]),
        (["a"], [2], ["x[0]", "x[1]"]),  # not as many as there are
        (["a", "a"], [2], ["x[0]", "x[1]"]),
        ({"b": 1, "a": 3}, [2], ["x[0]", "x[1]"]),
        ([["a", "b"], ["x", "y", "z"]], [2, 3], ["a.x", "a.y", "a.z", "b.x", "b.y", "b.z"]),
        (["rows", "columns"], [2, 2], ["x[0,0]", "x[0,1]", "x[1,0]", "x[1,1]"]),
        (None, [2, 1], ["x[0,0]", "x[1,0]"]),
        ([1, 2], [2], ["1", "2"]),
    ],
)
def test_names_are_read_in_every_notation_seen(names, shape, right):
    assert vector_names("x", {"dtype": "float32", "shape": shape, "names": names}) == right


def test_too_many_numbers_are_no_vector():
    assert is_vector({"dtype": "float32", "shape": [2, MAX_NUMBERS // 2]})
    assert not is_vector({"dtype": "uint16", "shape": [64, MAX_NUMBERS]})
    assert not is_vector({"dtype": "string", "shape": [1]})


def test_nested_names_keep_grippers_grippers(tmp_path):
    """They were called action[0] and action[1], and the gripper was averaged like a joint."""
    root = write_strange(tmp_path / "data", {"observation.state": swings([1, 1]), "action": swings([1, 1])})
    edit_info(root, "action", names=[["wrist", "left_gripper"]])
    folder = open_folder(root)
    spec = recorded_spec(folder, read_table(folder).features["action"])
    assert spec.names == ("wrist", "left_gripper")
    assert [d.kind for d in spec.dimensions] == ["joint", "gripper"]


def test_integers_booleans_and_several_axes_are_read(tmp_path):
    """They were left out in silence, and an action of two axes was no action at all."""
    rng = np.random.default_rng(0)
    columns = {
        "observation.state": rng.normal(size=(30, 2)).astype(np.float32),
        "observation.buttons": rng.integers(0, 2, (30, 3)).astype(bool),
        "observation.counts": rng.integers(-5, 1000, (30, 2)),
        "observation.pose": rng.normal(size=(30, 2, 3)).astype(np.float32),
        "action": rng.normal(size=(30, 2, 2)).astype(np.float32),
    }
    folder = open_folder(write_strange(tmp_path / "data", columns, robot_type=None))
    table = read_table(folder)
    for name, values in columns.items():
        right = torch.from_numpy(values.reshape(30, -1).astype(np.float32))
        assert torch.equal(table.features[name], right), name
    assert folder.state_features() == {
        "observation.state": 2, "observation.buttons": 3, "observation.counts": 2, "observation.pose": 6
    }  # fmt: skip
    assert recorded_spec(folder, table.features["action"]).names == (
        "action[0,0]", "action[0,1]", "action[1,0]", "action[1,1]"
    )  # fmt: skip


def test_what_is_left_out_is_told(tmp_path):
    root = write_strange(tmp_path / "data", {"observation.state": swings([1]), "action": swings([1])})
    info = json.loads((root / INFO_FILE).read_text())
    info["features"]["observation.words"] = {"dtype": "string", "shape": [1], "names": None}
    (root / INFO_FILE).write_text(json.dumps(info))
    assert list(open_folder(root).left_out()) == ["observation.words"]
