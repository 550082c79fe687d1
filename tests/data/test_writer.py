import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from dist2_robot.data.episode import Episode
from dist2_robot.data.folder import DIST2_FILE, open_folder
from dist2_robot.data.recorded_spec import recorded_spec
from dist2_robot.data.table import read_table
from dist2_robot.data.writer import write_dataset
from dist2_robot.errors import InputError
from tests.data.recordings import DATA_FILE, NAMES, SPEC, TASK, reach_episodes, write_reach


def write(root, episodes):
    return write_dataset(root, episodes, SPEC, observation_names=NAMES, robot_type="reacher", recording={"seed": 5})


def test_what_was_written_is_read(tmp_path):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    episodes = reach_episodes()
    root = tmp_path / "new" / "reach"
    assert write(root, episodes) == sum(len(episode) for episode in episodes)
    folder = open_folder(root)
    table = read_table(folder)
    for name, column in table.features.items():
        expected = np.concatenate([episode.features[name] for episode in episodes])
        np.testing.assert_array_equal(column.numpy(), expected)
    assert recorded_spec(folder, table.features["action"]) == SPEC
    assert {name: folder.names(name) for name in NAMES} == NAMES
    assert folder.recording["seed"] == 5
    assert folder.recording["episode_seeds"] == [episode.seed for episode in episodes]

    theirs = LeRobotDataset("local/reach", root=root)
    assert theirs.fps == 20
    assert theirs.meta.robot_type == "reacher"
    assert theirs.features["action"]["names"] == list(SPEC.names)
    assert theirs[40]["task"] == TASK
    assert torch.equal(theirs[40]["action"], table.features["action"][40])


@pytest.mark.fault("R10")
def test_the_same_episodes_give_the_same_bytes(tmp_path):
    first, second = write_reach(tmp_path / "a"), write_reach(tmp_path / "b")
    assert pq.read_table(first / DATA_FILE).equals(pq.read_table(second / DATA_FILE))
    assert (first / DIST2_FILE).read_bytes() == (second / DIST2_FILE).read_bytes()


@pytest.mark.parametrize("failure", [RuntimeError("the arm fell off"), KeyboardInterrupt(), OSError(28, "disk full")])
def test_a_recording_that_breaks_off_leaves_no_dataset(tmp_path, failure):
    def breaks_off():
        yield from reach_episodes()[:2]
        raise failure

    root = tmp_path / "reach"
    with pytest.raises(type(failure)):
        write(root, breaks_off())
    assert not root.exists()
    write(root, reach_episodes())  # what was left over is no hindrance
    assert read_table(open_folder(root)).episodes == len(reach_episodes())
    assert [path.name for path in tmp_path.iterdir()] == ["reach"]


def test_a_dataset_is_never_written_over(reach):
    before = json.loads((reach / DIST2_FILE).read_text())
    with pytest.raises(InputError, match=rf"'{reach}' exists: name another dataset.root"):
        write(reach, reach_episodes())
    assert json.loads((reach / DIST2_FILE).read_text()) == before


def test_no_episode_is_no_dataset(tmp_path):
    with pytest.raises(InputError, match="there is no episode"):
        write(tmp_path / "reach", [])
    assert not (tmp_path / "reach").exists()


def test_pictures_are_kept_as_video(tmp_path):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    image = np.broadcast_to(ramp[None, :, None], (64, 64, 3))
    episodes = [
        Episode({**episode.features, "observation.images.top": np.repeat(image[None], len(episode), 0)}, TASK, 0)
        for episode in reach_episodes()[:2]
    ]
    write(tmp_path / "seen", episodes)
    item = LeRobotDataset("local/seen", root=tmp_path / "seen", video_backend="pyav")[3]
    shown = item["observation.images.top"].permute(1, 2, 0).numpy() * 255  # (height, width, channels)
    assert np.abs(shown - image).mean() < 8
    assert read_table(open_folder(tmp_path / "seen")).features.keys() == {*NAMES, "action"}


@pytest.mark.fault("A12")
def test_an_episode_whose_features_are_of_another_length_is_named(tmp_path):
    first = reach_episodes()[0]
    features = {name: x[:-1] if name == "observation.state" else x for name, x in first.features.items()}
    with pytest.raises(InputError, match=r"frames has .* of 'observation.state'"):
        write(tmp_path / "reach", [replace(first, features=features)])
    assert not (tmp_path / "reach").exists()
