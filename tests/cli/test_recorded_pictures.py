"""dist2-train on other people's pictures: chosen episodes, missing videos, depth, other sizes."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from dist2_robot.checkpoints.store import load_policy
from dist2_robot.cli.dataset import load_training_data
from dist2_robot.cli.deploy import _simulated
from dist2_robot.deploy.forms.exported_folder import EXPORT_FILE
from dist2_robot.errors import InputError
from dist2_robot.types import ObservationSpec
from tests.cli.small import SMALL
from tests.cli.test_refusals import check_one_line
from tests.data.films import EPISODE_OF_ROW, ROWS, VIDEO, change_info, film, level, rename_camera, write_film
from tests.data.recordings import CAMERA
from tests.deploy.fakes import FakeClock, FakeRobot
from tests.deploy.rigs import card_of

CONFIG = {"repo_id": None, "episodes": None, "image_size": None, "validation": 0.0, "observations": None}
STATE, GOAL = "observation.state", "observation.environment_state"
WRIST = "observation.images.wrist"


def load(root, **config):
    return load_training_data({**CONFIG, "root": root if isinstance(root, list) else str(root), **config}, 3, 0)


def brightness(data):
    return data.table.features[CAMERA].float().mean((1, 2, 3)).numpy()


def add_camera(root, name=WRIST, **told):
    """Give a dataset a second camera, whose pictures are those of the first."""
    table = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet")
    for column in [column for column in table.column_names if CAMERA in column]:
        table = table.append_column(column.replace(CAMERA, name), table[column])
    pq.write_table(table, root / "meta/episodes/chunk-000/file-000.parquet")
    shutil.copytree(root / "videos" / CAMERA, root / "videos" / name)
    change_info(root, lambda info: info["features"].update({name: {**info["features"][CAMERA], **told}}))


@pytest.mark.parametrize("chosen", [[3, 1], [2], 2])
def test_chosen_episodes_have_their_pictures(tmp_path, chosen):
    root = write_film(tmp_path / "film")
    numbers = range(chosen) if isinstance(chosen, int) else chosen
    rows = np.concatenate([np.flatnonzero(number == EPISODE_OF_ROW) for number in numbers])
    data = load(root, episodes=chosen)
    assert data.episodes == len(numbers)
    assert np.abs(brightness(data) - level(rows)).max() < 2


def test_the_episodes_of_dist2_rate_have_their_pictures(tmp_path):
    root = write_film(tmp_path / "film")
    kept = tmp_path / "ratings.json"
    kept.write_text(json.dumps({"dataset": str(root), "kept": [0, 2]}))
    rows = np.flatnonzero(np.isin(EPISODE_OF_ROW, [0, 2]))
    assert np.abs(brightness(load(root, episodes=str(kept))) - level(rows)).max() < 2


def test_missing_videos_are_told_at_once_with_what_to_say_instead(command, tmp_path):
    root = write_film(tmp_path / "film")
    add_camera(root)
    shutil.rmtree(root / "videos" / WRIST)
    outcome = command("dist2-train", f"dataset.root={root}", "output=run", *SMALL)
    message = check_one_line("dist2-train", outcome.code, outcome.err)
    assert f"'{root / str(VIDEO).replace(CAMERA, WRIST)}' is missing" in message
    instead = f"dataset.observations=[{STATE},{GOAL},{CAMERA}]"
    assert instead in message
    assert "decode" not in outcome.err
    shutil.rmtree(root / "videos")
    message = command("dist2-train", f"dataset.root={root}", "output=run", *SMALL).err
    assert "and 1 more are missing" in message
    assert f"dataset.observations=[{STATE},{GOAL}]" in message
    assert (
        command("dist2-train", f"dataset.root={root}", "output=run", instead.replace(f",{CAMERA}", ""), *SMALL).code
        == 0
    )


def test_depth_is_left_out_and_said_or_refused_by_name(command, tmp_path):
    root = write_film(tmp_path / "film")
    depth = "observation.images.depth"
    add_camera(root, depth, info={"is_depth_map": True})
    options = [f"dataset.root={root}", "output=run", "dataset.image_size=32", "vision.channels=8", *SMALL]
    outcome = command("dist2-train", *options, "trainer.steps=1")
    assert outcome.code == 0, outcome.err
    assert f"left out: {depth} (depth, 8 bit)\n" in outcome.out
    policy, _ = load_policy(tmp_path / "run")
    assert policy.observation.pictures == {CAMERA: (32, 32)}
    assert policy.observation.recorded == {CAMERA: (64, 64)}
    outcome = command("dist2-train", *options, f"dataset.observations=[{STATE},{depth}]", "output=other")
    message = check_one_line("dist2-train", outcome.code, outcome.err)
    assert f"'{depth}'" in message
    assert "depth, 8 bit" in message


def test_cameras_of_other_shapes_do_not_go_together(tmp_path):
    first = write_film(tmp_path / "a")
    roots = {}
    for name, size in {"wide": (64, 96), "large": (128, 128)}.items():
        roots[name] = write_film(tmp_path / name, size=size)
        change_info(roots[name], lambda info, size=size: info["features"][CAMERA].update(shape=[*size, 3]))
    for config in ({}, {"image_size": 32}):
        with pytest.raises(InputError) as caught:
            load([str(first), str(roots["wide"])], **config)
        for words in (str(first), str(roots["wide"]), CAMERA, "64 x 64", "64 x 96"):
            assert words in str(caught.value)
    with pytest.raises(InputError, match=r"64 x 64.*128 x 128.*give dataset\.image_size"):
        load([str(first), str(roots["large"])])
    data = load([str(first), str(roots["large"])], image_size=32)
    assert data.table.features[CAMERA].shape == (2 * ROWS, 32, 32, 3)
    assert np.abs(brightness(data) - np.tile(level(np.arange(ROWS)), 2)).max() < 2


def test_what_is_recorded_travels_and_is_not_needed(tmp_path):
    data = load(write_film(tmp_path / "film"), image_size=[24, 32])
    spec = data.observation
    assert (spec.pictures, spec.recorded, spec.picture_size) == ({CAMERA: (24, 32)}, {CAMERA: (64, 64)}, (24, 32))
    assert ObservationSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    old = {name: entry for name, entry in spec.to_dict().items() if name != "recorded"}
    assert ObservationSpec.from_dict(old).drawn == {CAMERA: (24, 32)}


def test_other_names_of_cameras_are_read(tmp_path):
    root = write_film(tmp_path / "film")
    rename_camera(root, WRIST)
    film(root / str(VIDEO).replace(CAMERA, WRIST), np.arange(ROWS) / 20, level(np.arange(ROWS)))
    assert list(load(root).observation.pictures) == [WRIST]


def test_a_simulated_robot_draws_in_the_recorded_size(tmp_path):
    (tmp_path / EXPORT_FILE).touch()
    spec = FakeRobot(FakeClock()).description.spec
    seen = ObservationSpec({}, {CAMERA: (64, 64)}, recorded={CAMERA: (84, 84)})
    robot = {"task": "Reach", "kwargs": {}, "velocity": {}}
    for observation, size in ((seen, 84), (replace(seen, recorded={}), 64)):
        told = _simulated(robot, tmp_path, card_of(spec, observation=observation), 0)
        assert (told["kwargs"]["cameras"], told["kwargs"]["image_size"]) == (["front"], size)
