"""Real recordings of other people: a human's Push-T, a human's Adroit hand, and a Unitree G1."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from dist2_robot.cli.dataset import load_training_data
from dist2_robot.data.folder import open_folder
from dist2_robot.data.importing.import_dataset import import_dataset
from dist2_robot.data.importing.imported import ImportOptions
from dist2_robot.data.table import read_table
from tests.shared_data import shared_data

STATE = "observation.state"
DATASET = {"repo_id": None, "revision": None, "episodes": None, "observations": None, "validation": 0.1}


def trains(root, actions, numbers):
    """What a training would get of it is there, without pictures."""
    data = load_training_data({**DATASET, "root": str(root)}, horizon=8, seed=0, pictures=False)
    assert len(data.spec) == actions
    assert data.table.features[STATE].shape[1] == numbers
    assert len(data.training) + len(data.held_out) == len(data.table.features["action"])


def theirs(root):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset("local/new", root=root, video_backend="pyav")


def test_human_demonstrations_of_push_t(tmp_path):
    import zarr

    source, root = shared_data("pusht_human.zarr.zip"), tmp_path / "new"
    options = ImportOptions(rate_hz=10, task="Push the T.", names={"action": ["x", "y"]})
    imported = import_dataset(source, root, options)
    with zarr.storage.ZipStore(source, mode="r") as store:
        group = zarr.open_group(store, mode="r", use_consolidated=False)
        action, state, ends = (np.asarray(group[k][:]) for k in ("data/action", "data/state", "meta/episode_ends"))
    assert (imported.episodes, imported.frames) == (206, 25650)
    assert any(
        line.startswith("keypoint (9, 2) float32: several axes: name it in rename=") for line in imported.left_out
    )
    folder = open_folder(root)
    table = read_table(folder)
    np.testing.assert_array_equal(table.features["action"].numpy(), action)
    np.testing.assert_array_equal(table.features[STATE].numpy(), state)
    np.testing.assert_array_equal(table.episode_ends.numpy(), ends)
    assert (folder.names("action"), folder.rate_hz, folder.tasks()) == (["x", "y"], 10, {0: "Push the T."})
    np.testing.assert_array_equal(theirs(root)[25649]["action"].numpy(), action[-1])
    trains(root, 2, 5)


@pytest.mark.slow
def test_corners_of_the_block_of_push_t(tmp_path):
    """`keypoint` (9, 2) is a state of the environment where it is asked for."""
    import zarr

    source, goal = shared_data("pusht_human.zarr.zip"), "observation.environment_state"
    rename = {"action": "action", "state": STATE, "keypoint": goal}
    imported = import_dataset(source, tmp_path / "new", ImportOptions(rate_hz=10, rename=rename))
    with zarr.storage.ZipStore(source, mode="r") as store:
        keypoint = np.asarray(zarr.open_group(store, mode="r", use_consolidated=False)["data/keypoint"][:])
    folder = open_folder(tmp_path / "new")
    assert keypoint.shape == (25650, 9, 2)
    np.testing.assert_array_equal(read_table(folder).features[goal].numpy(), keypoint.reshape(-1, 18))
    assert folder.names(goal) == [f"keypoint[{i},{j}]" for i in range(9) for j in range(2)]
    assert not any(line.startswith("keypoint") for line in imported.left_out)


def test_human_demonstrations_of_a_hand_at_a_door(tmp_path):
    source, root = shared_data("adroit_door_human.npz"), tmp_path / "new"
    options = ImportOptions(rate_hz=100, rename={"act": "action", "obs": STATE})
    imported = import_dataset(source, root, options)
    assert (imported.episodes, imported.frames) == (25, 6729)
    table = read_table(open_folder(root))
    with np.load(source, allow_pickle=False) as arrays:
        for key, feature in (("act", "action"), ("obs", STATE)):
            expected = [arrays[f"{i}/{key}"].astype(np.float32) for i in range(25)]
            np.testing.assert_array_equal(table.features[feature].numpy(), np.concatenate(expected))
        np.testing.assert_array_equal(table.episode_ends.numpy(), np.cumsum([len(e) for e in expected]))
    assert any(line.startswith("init/qpos: 30 entries") for line in imported.left_out)
    assert theirs(root)[6728]["frame_index"] == len(expected[-1]) - 1
    trains(root, 28, 39)


def test_a_humanoid_in_lerobot_v21(tmp_path):
    import av

    source, root = shared_data("g1_inspire_v21"), tmp_path / "new"
    imported = import_dataset(source, root, ImportOptions())
    assert (imported.episodes, imported.frames, imported.left_out) == (12, 4207, ())
    folder, camera = open_folder(root), "observation.images.cam_high"
    table = read_table(folder)
    old = [pq.read_table(path) for path in sorted((source / "data").rglob("*.parquet"))]
    for name in ("action", STATE):
        expected = np.concatenate([np.stack(t[name].to_numpy()) for t in old]).astype(np.float32)
        np.testing.assert_array_equal(table.features[name].numpy(), expected)
    np.testing.assert_array_equal(table.episode_ends.numpy(), np.cumsum([len(t) for t in old]))
    nested = json.loads((source / "meta/info.json").read_text())["features"]["action"]["names"][0]
    assert folder.info["features"]["action"]["names"] == nested
    assert folder.names("action")[0] == "kLeftShoulderPitch"
    assert folder.tasks() == {0: "Pick up the yellow bottle on the table."}
    assert folder.cameras() == {camera: (480, 640)}
    videos = sorted((source / "videos").rglob("*.mp4"))
    dataset = theirs(root)
    for number in (0, 1, 11):
        assert (root / f"videos/{camera}/chunk-000/file-{number:03d}.mp4").read_bytes() == videos[number].read_bytes()
        with av.open(str(videos[number])) as container:
            first = next(container.decode(video=0)).to_ndarray(format="rgb24")
        item = dataset[int(table.episode_starts[number])]
        shown = np.round(item[camera].permute(1, 2, 0).numpy() * 255)
        np.testing.assert_allclose(shown, first, atol=1)
    trains(root, 26, 26)


@pytest.mark.slow
def test_every_picture_of_the_humanoid_is_the_same(tmp_path):
    import av

    from dist2_robot.data.decode import decoded

    source, root = shared_data("g1_inspire_v21"), tmp_path / "new"
    import_dataset(source, root, ImportOptions())
    new = decoded(open_folder(root), "observation.images.cam_high")
    count = 0
    for path in sorted((source / "videos").rglob("*.mp4")):
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                np.testing.assert_array_equal(next(new), frame.to_ndarray(format="rgb24"))
                count += 1
    assert count == 4207
    assert next(new, None) is None
