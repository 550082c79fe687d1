"""dist2-import as it is typed."""

import json

import numpy as np
import pytest

from dist2_robot.data.folder import open_folder
from dist2_robot.data.table import read_table
from tests.data.importing.others import LENGTHS, numbers, whole, write_lerobot_v2, write_robomimic


@pytest.fixture
def door(tmp_path):
    """A file of episodes whose arrays have names of their own."""
    content = {f"{i}/{key}": numbers(i, size) for i in range(3) for key, size in (("act", 2), ("obs", 3), ("rew", 1))}
    np.savez(tmp_path / "door.npz", **content)
    return tmp_path / "door.npz"


def test_mappings_are_given_as_one_types_them(command, door, tmp_path):
    outcome = command(
        "dist2-import",
        f"source={door}",
        "rename={act: action, obs: observation.state}",
        "names={action: [x, y], observation.state: [a, b, 'c c']}",
        "rate_hz=100",
        'task="Open the door, then wait."',
        f"dataset.root={tmp_path / 'new'}",
    )
    assert (outcome.code, outcome.out.splitlines()[-1]) == (0, f"next: dist2-validate dataset.root={tmp_path / 'new'}")
    folder = open_folder(tmp_path / "new")
    assert folder.names("action") == ["x", "y"]
    assert folder.names("observation.state") == ["a", "b", "c c"]
    assert folder.tasks() == {0: "Open the door, then wait."}
    np.testing.assert_array_equal(read_table(folder).features["action"].numpy(), whole(2))
    told = outcome.out.splitlines()
    assert told[0] == f"{tmp_path / 'new'}: 3 episodes, {sum(LENGTHS)} frames at 100 Hz (0.0533 s an episode), from npz"
    assert told[1] == "  action             (2,)  x, y  <- act"
    assert told[3:5] == ["left out:", "  rew (1,) float32: not asked for (rename=, join=)"]
    assert command("dist2-validate", f"dataset.root={tmp_path / 'new'}").code == 0


def test_without_spaces_and_with_a_join(command, tmp_path):
    source = write_robomimic(tmp_path / "low_dim.hdf5")
    outcome = command(
        "dist2-import",
        f"source={source}",
        "rename={obs/robot0_eef_pos:observation.hand}",
        "join={observation.state:[object,robot0_eef_quat]}",
        "rate_hz=20",
        f"dataset.root={tmp_path / 'new'}",
    )
    assert outcome.code == 0, outcome.err
    read = read_table(open_folder(tmp_path / "new")).features
    np.testing.assert_array_equal(read["observation.state"].numpy(), np.concatenate([whole(5, 30), whole(4, 10)], 1))
    np.testing.assert_array_equal(read["observation.hand"].numpy(), whole(3))


def test_a_dataset_of_lerobot_needs_no_option(command, tmp_path):
    source = write_lerobot_v2(tmp_path / "old", video=False)
    tasks = source / "meta/tasks.jsonl"
    tasks.write_text(json.dumps({"task_index": 0, "task": "Stop\x1b[31m."}) + "\n")
    again = ["dist2-import", f"source={source}", f"dataset.root={tmp_path / 'new'}"]
    assert command(*again).code == 0
    assert command(*again).err == (
        f"dist2-import: dataset folder '{tmp_path / 'new'}' exists: name another dataset.root, or pass overwrite=true\n"
    )
    outcome = command(*again, "overwrite=true")
    assert outcome.code == 0
    assert "\x1b" not in outcome.out


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("rate_hz=fast", "rate_hz must be a number, got 'fast'"),
        ("rename=act", "rename must be a mapping, e.g. 'rename={...: ...}', got 'act'"),
        ("join={action: act}", "the join of 'action' must be a [list], got 'act'"),
        ("rename={act: action, arm: observation.state}", "the source has 0 columns 'arm'"),
        ("task=[a]", "task must be text, got [a]"),
        ("format=csv", "there is no format 'csv'."),
        ("rate=10", "there is no option 'rate'. Did you mean 'rate_hz'?"),
    ],
)
def test_a_wrong_option_is_one_line(command, door, tmp_path, argument, message):
    options = {"rate_hz": "10", "rename": "{act: action}"} | {argument.partition("=")[0]: argument.partition("=")[2]}
    outcome = command(
        "dist2-import", f"source={door}", f"dataset.root={tmp_path / 'new'}", *(f"{k}={v}" for k, v in options.items())
    )
    lines = [line for line in outcome.err.splitlines() if line and "episode" not in line]  # but for the progress
    assert outcome.code == 2
    assert len(lines) == 1
    assert lines[0].startswith("dist2-import: ")
    assert message in lines[0]
    assert not (tmp_path / "new").exists()
