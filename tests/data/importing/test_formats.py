"""Every format comes in with the numbers that are in it, from generated recordings."""

import json

import numpy as np
import pytest

from dist2_robot.data.folder import DIST2_FILE, open_folder
from dist2_robot.data.importing.import_dataset import import_dataset
from dist2_robot.data.importing.imported import ImportOptions
from dist2_robot.data.importing.readers import detect
from dist2_robot.data.table import read_table
from tests.data.importing.others import (
    CAMERA,
    FPS,
    LENGTHS,
    STARTS,
    TASK,
    numbers,
    pictures,
    whole,
    write_aloha,
    write_d4rl,
    write_lerobot_v2,
    write_lerobot_v3,
    write_minari,
    write_robomimic,
    write_rows,
    write_video,
    write_zarr,
)

STATE, GOAL = "observation.state", "observation.environment_state"


def bring_in(source, root, **options):
    """Import; return the summary and what our own reader reads."""
    imported = import_dataset(source, root, ImportOptions(**options))
    folder = open_folder(root)
    table = read_table(folder)
    assert imported.episodes == len(LENGTHS)
    assert imported.frames == sum(LENGTHS)
    assert tuple(table.episode_starts.tolist()) == STARTS
    return imported, folder, {name: column.numpy() for name, column in table.features.items()}


def opened(root):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset("local/new", root=root, video_backend="pyav")


def shown(item, camera):
    return np.round(item[camera].permute(1, 2, 0).numpy() * 255)


@pytest.mark.parametrize("name", ["buffer.zarr", "buffer.zarr.zip"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_replay_buffer(tmp_path, name, zarr_format):
    source = write_zarr(tmp_path / name, zarr_format)
    assert detect(source) == "zarr"
    imported, folder, read = bring_in(
        source, tmp_path / "new", rate_hz=20, task=TASK, names={"action": ["x", "y"]}, rename={"n_contacts": GOAL}
    )
    np.testing.assert_array_equal(read["action"], whole(2, 50))
    np.testing.assert_array_equal(read[STATE], whole(5))
    np.testing.assert_array_equal(read[GOAL], whole(1))
    assert folder.names("action") == ["x", "y"]
    assert folder.names(STATE) == [f"state[{i}]" for i in range(5)]
    assert folder.rate_hz == 20
    assert folder.tasks() == {0: TASK}
    assert [line for line in imported.left_out if line.startswith("depth (80, 80, 1) uint16: neither")]
    assert [line for line in imported.assumed if line.startswith("observation.images.img: PNG, as 24 x 32")]
    theirs = opened(tmp_path / "new")
    for i, start in enumerate(STARTS):
        np.testing.assert_array_equal(shown(theirs[start], "observation.images.img"), pictures(i, 24)[0])
        np.testing.assert_array_equal(shown(theirs[start + 3], "observation.images.img"), pictures(i, 24)[3])


SEVERAL_AXES = "several axes: name it in rename= to have it flattened"


@pytest.mark.parametrize("name", ["buffer.zarr", "demos.hdf5", "their.npz", "old"])
def test_numbers_on_several_axes_are_flattened_where_they_are_asked_for(tmp_path, name):
    """`poses` (2, 4, 4), from a reader of each library."""
    source = tmp_path / name
    poses = [numbers(i, 32, 90).reshape(-1, 2, 4, 4) for i in range(len(LENGTHS))]
    if name == "old":
        write_lerobot_v2(source, video=False)
        info = json.loads((source / "meta/info.json").read_text())
        info["features"]["poses"] = {"dtype": "float32", "shape": [2, 4, 4], "names": None}
        (source / "meta/info.json").write_text(json.dumps(info))
        for i, each in enumerate(poses):
            write_rows(source / f"data/chunk-000/episode_{i:06d}.parquet", i, poses=each.tolist())
    elif name == "their.npz":
        np.savez(
            source, action=whole(2, 50), state=whole(3), poses=np.concatenate(poses), episode_ends=np.cumsum(LENGTHS)
        )
    else:
        write_zarr(source) if name == "buffer.zarr" else write_robomimic(source)
    options = {} if name == "old" else {"rate_hz": 20}
    imported, folder, read = bring_in(source, tmp_path / "new", rename={"poses": GOAL}, **options)
    np.testing.assert_array_equal(read[GOAL], whole(32, 90))
    assert folder.names(GOAL)[:5] == ["poses[0,0,0]", "poses[0,0,1]", "poses[0,0,2]", "poses[0,0,3]", "poses[0,1,0]"]
    assert any(line.endswith("poses[0,0,0] ... by place, as nobody told (names=)") for line in imported.assumed)
    assert opened(tmp_path / "new")[STARTS[1]][GOAL][31] == numbers(1, 32, 90)[0, 31]
    imported, folder, read = bring_in(source, tmp_path / "other", **options)
    assert any(line.endswith(f": {SEVERAL_AXES}") and "poses (2, 4, 4) float" in line for line in imported.left_out)
    assert not any(line.endswith("poses[0,0,0] ... by place, as nobody told (names=)") for line in imported.assumed)
    assert GOAL not in read or name == "demos.hdf5"


def test_several_axes_are_joined_with_a_vector_and_named(tmp_path):
    source = write_zarr(tmp_path / "buffer.zarr")
    join = {GOAL: ["keypoint", "n_contacts"]}
    _, folder, read = bring_in(source, tmp_path / "new", rate_hz=20, join=join)
    np.testing.assert_array_equal(read[GOAL], np.concatenate([whole(6, 70), whole(1)], axis=1))
    assert folder.names(GOAL)[-3:] == ["keypoint[2,0]", "keypoint[2,1]", "n_contacts[0]"]
    names = {GOAL: list("abcdefg")}
    _, folder, _ = bring_in(source, tmp_path / "named", rate_hz=20, join=join, names=names)
    assert folder.names(GOAL) == list("abcdefg")


def test_lerobots_names_of_several_axes_are_kept(tmp_path):
    source = write_lerobot_v2(tmp_path / "old", video=False)
    info = json.loads((source / "meta/info.json").read_text())
    info["features"]["corners"] = {"dtype": "float32", "shape": [3, 2], "names": [["a", "b", "c"], ["x", "y"]]}
    (source / "meta/info.json").write_text(json.dumps(info))
    for i in range(len(LENGTHS)):
        write_rows(
            source / f"data/chunk-000/episode_{i:06d}.parquet", i, corners=numbers(i, 6).reshape(-1, 3, 2).tolist()
        )
    _, folder, read = bring_in(source, tmp_path / "new", rename={"corners": GOAL})
    np.testing.assert_array_equal(read[GOAL], whole(6))
    assert folder.names(GOAL) == ["a.x", "a.y", "b.x", "b.y", "c.x", "c.y"]


def test_robomimic(tmp_path):
    source = write_robomimic(tmp_path / "low_dim.hdf5")
    assert detect(source) == "robomimic"
    imported, folder, read = bring_in(source, tmp_path / "new", rate_hz=20, task=TASK)
    state = np.concatenate([whole(3), whole(4, 10), whole(2, 20)], axis=1)
    np.testing.assert_array_equal(read[STATE], state)
    np.testing.assert_array_equal(read[GOAL], whole(5, 30))
    np.testing.assert_array_equal(read["action"], whole(7, 50))
    assert folder.names(STATE)[2:5] == ["robot0_eef_pos[2]", "robot0_eef_quat[0]", "robot0_eef_quat[1]"]
    assert imported.features[STATE].columns[0] == "obs/robot0_eef_pos"
    assert [line for line in imported.left_out if line.startswith("obs/agentview_depth (80, 80, 1) float32: neither")]
    assert any("robomimic's own policies" in line for line in imported.assumed)
    np.testing.assert_array_equal(
        shown(opened(tmp_path / "new")[6], "observation.images.agentview"), pictures(1, 24)[1]
    )


def test_robomimic_tells_rate_and_robot(tmp_path):
    import h5py

    source = write_robomimic(tmp_path / "low_dim.hdf5")
    with h5py.File(source, "a") as file:
        file["data"].attrs["env_args"] = json.dumps({"env_kwargs": {"control_freq": 20, "robots": ["Panda"]}})
    imported, folder, _ = bring_in(source, tmp_path / "new")
    assert (folder.rate_hz, folder.info["robot_type"]) == (20, "Panda")
    assert not any(line.startswith("rate") for line in imported.assumed)


def test_columns_are_joined_in_the_order_that_is_asked_for(tmp_path):
    source = write_robomimic(tmp_path / "low_dim.hdf5")
    join = {STATE: ["object", "obs/robot0_eef_pos"]}
    _, folder, read = bring_in(source, tmp_path / "new", rate_hz=20, join=join)
    np.testing.assert_array_equal(read[STATE], np.concatenate([whole(5, 30), whole(3)], axis=1))
    assert GOAL not in read  # what it would have been made of is taken
    assert folder.names(STATE)[4:6] == ["object[4]", "robot0_eef_pos[0]"]


@pytest.mark.parametrize("compressed", [False, True])
def test_aloha(tmp_path, compressed):
    source = write_aloha(tmp_path / "aloha", compressed=compressed)
    assert detect(source) == "aloha"
    imported, _, read = bring_in(source, tmp_path / "new", rate_hz=50)
    np.testing.assert_array_equal(read["action"], whole(14, 50))
    np.testing.assert_array_equal(read[STATE], whole(14))
    assert any(line.startswith("observations/qvel (14,) float32: not asked for") for line in imported.left_out)
    assert any(line.startswith("task: 'not told'") for line in imported.assumed)
    assert "rate: 50 Hz, as rate_hz= says" in imported.assumed
    for i, start in enumerate(STARTS):
        seen = shown(opened(tmp_path / "new")[start + 1], "observation.images.cam_high")
        np.testing.assert_allclose(seen, pictures(i, 24)[1], atol=6 if compressed else 0)


def test_minari(tmp_path):
    source = write_minari(tmp_path / "their-v0")
    assert detect(source) == "minari"
    _, _, read = bring_in(source, tmp_path / "new", rate_hz=20)
    np.testing.assert_array_equal(read[STATE], whole(4))
    np.testing.assert_array_equal(read["action"], whole(2, 50))


def test_minari_of_an_environment_with_goals(tmp_path):
    _, _, read = bring_in(write_minari(tmp_path / "goals-v0", nested=True), tmp_path / "new", rate_hz=20)
    np.testing.assert_array_equal(read[STATE], whole(4))
    np.testing.assert_array_equal(read[GOAL], whole(4)[:, :2])


def test_d4rl(tmp_path):
    source = write_d4rl(tmp_path / "hopper.hdf5")
    assert detect(source) == "d4rl"
    imported, _, read = bring_in(source, tmp_path / "new", rate_hz=20, rename={"infos/qpos": GOAL})
    np.testing.assert_array_equal(read[STATE], whole(4))
    np.testing.assert_array_equal(read["action"], whole(2, 50))
    np.testing.assert_array_equal(read[GOAL], whole(3))
    assert any("which nothing ends" in line for line in imported.assumed)


@pytest.mark.parametrize("form", ["numbered", "flat", "folder"])
def test_npz(tmp_path, form):
    source = tmp_path / "their.npz"
    episodes = [{"a": numbers(i, 2, 50).astype(np.float64), "o": numbers(i, 1)[:, 0]} for i in range(len(LENGTHS))]
    if form == "numbered":
        np.savez(source, **{f"{i}/{key}": x for i in (2, 0, 1) for key, x in episodes[i].items()}, note=np.ones(3))
    elif form == "flat":
        np.savez(source, a=whole(2, 50), o=whole(1)[:, 0], episode_ends=np.cumsum(LENGTHS), extra=np.ones(3))
    else:
        source = tmp_path / "folder"
        source.mkdir()
        for i, episode in enumerate(episodes):
            np.savez_compressed(source / f"take_{i + 9}.npz", **episode)
    assert detect(source) == "npz"
    imported, folder, read = bring_in(source, tmp_path / "new", rate_hz=100, rename={"a": "action", "o": STATE})
    np.testing.assert_array_equal(read["action"], whole(2, 50))
    np.testing.assert_array_equal(read[STATE], whole(1))  # one number a frame is a vector of one
    assert folder.names(STATE) == ["o[0]"]
    assert form == "folder" or any(line.startswith(("note", "extra")) for line in imported.left_out)


@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
def test_lerobot_v2_with_its_videos_as_they_are(tmp_path, version):
    import av

    source = write_lerobot_v2(tmp_path / "old", version)
    assert detect(source) == "lerobot_v2"
    imported, folder, read = bring_in(source, tmp_path / "new")
    np.testing.assert_array_equal(read[STATE], whole(3))
    np.testing.assert_array_equal(read["action"], whole(3, 50))
    assert folder.names("action") == ["pan", "lift", "grip"]
    assert folder.info["features"]["action"]["names"] == ["pan", "lift", "grip"]
    assert "action: its nested names, made flat" in imported.assumed
    assert folder.info["robot_type"] == "two_arms"
    assert folder.rate_hz == FPS
    assert folder.tasks() == {0: TASK}
    assert folder.cameras() == {CAMERA: (64, 72)}
    theirs = opened(tmp_path / "new")
    for i, start in enumerate(STARTS):
        old = source / f"videos/chunk-000/{CAMERA}/episode_{i:06d}.mp4"
        assert (tmp_path / f"new/videos/{CAMERA}/chunk-000/file-{i:03d}.mp4").read_bytes() == old.read_bytes()
        with av.open(str(old)) as container:
            before = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        for t in (0, LENGTHS[i] - 1):
            np.testing.assert_allclose(shown(theirs[start + t], CAMERA), before[t], atol=1)
    mean = np.array(json.loads((tmp_path / "new/meta/stats.json").read_text())[CAMERA]["mean"])
    expected = np.concatenate([pictures(i) for i in range(len(LENGTHS))]).mean(axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(mean.ravel(), expected, atol=0.02)  # each episode counts as its pictures do
    assert theirs[STARTS[1] - 1]["next.done"] == 1.0


def test_lerobot_v2_without_its_videos(tmp_path):
    source = write_lerobot_v2(tmp_path / "old")
    for path in source.rglob("*.mp4"):
        path.unlink()
    imported, folder, read = bring_in(source, tmp_path / "new")
    assert f"{CAMERA}: its videos are missing" in imported.left_out
    assert folder.cameras() == {}
    np.testing.assert_array_equal(read["action"], whole(3, 50))
    assert opened(tmp_path / "new")[0]["task"] == TASK


def test_a_camera_of_depth_is_not_taken_for_colours(tmp_path):
    source = write_lerobot_v2(tmp_path / "old")
    for i in range(len(LENGTHS)):
        write_video(source / f"videos/chunk-000/{CAMERA}/episode_{i:06d}.mp4", pictures(i), pixels="gray10le")
    imported, folder, _ = bring_in(source, tmp_path / "new")
    assert imported.left_out[0].startswith(f"{CAMERA}: its videos are gray")
    assert folder.cameras() == {}


def test_lerobot_v3_under_other_names(tmp_path):
    import av

    names = {"state": "state", "action": "actions", "camera": "image"}
    source = write_lerobot_v3(tmp_path / "theirs", names)
    assert detect(source) == "lerobot_v3"
    rename = {"actions": "action", "state": STATE, "image": CAMERA}
    _, folder, read = bring_in(source, tmp_path / "new", rename=rename)
    np.testing.assert_array_equal(read["action"], whole(3, 50))
    np.testing.assert_array_equal(read[STATE], whole(3))
    assert folder.names(STATE) == ["pan", "lift", "grip"]
    assert sorted(folder.tasks().values()) == sorted([TASK, "Wave."])
    theirs = opened(tmp_path / "new")
    assert (theirs[0]["task"], theirs[5]["task"]) == ("Wave.", TASK)
    old = next(source.rglob("*.mp4"))
    assert next((tmp_path / "new").rglob("*.mp4")).read_bytes() == old.read_bytes()
    with av.open(str(old)) as container:
        before = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for t in range(sum(LENGTHS)):
        np.testing.assert_allclose(shown(theirs[t], CAMERA), before[t], atol=1)


def test_where_it_comes_from_is_kept_and_no_unit_is_made_up(tmp_path):
    np.savez(tmp_path / "their.npz", act=numbers(0, 2), obs=numbers(0, 3))
    import_dataset(tmp_path / "their.npz", tmp_path / "new", ImportOptions(rate_hz=30, robot_type="crane"))
    told = json.loads((tmp_path / "new" / DIST2_FILE).read_text())
    assert told.keys() == {"imported_from"}
    assert told["imported_from"]["format"] == "npz"
    assert told["imported_from"]["source"] == "their.npz"
    assert told["imported_from"]["options"]["rate_hz"] == 30
    assert open_folder(tmp_path / "new").info["robot_type"] == "crane"
