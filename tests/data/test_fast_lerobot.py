"""The same items as LeRobot's own dataset gives."""

import pytest
import torch
from torch.utils.data import DataLoader

from dist2_robot.errors import InputError
from tests.data.films import TIMES, change_info, write_film
from tests.data.recordings import CAMERA, STARTS, write_filmed
from tests.data.test_picture_times import LACKING, SOUND


@pytest.fixture(scope="module", params=["state", "png", "video"])
def root(request, reach, tmp_path_factory):
    if request.param == "state":
        return reach
    return write_filmed(tmp_path_factory.mktemp("filmed") / "reach", video=request.param == "video")


def both(root, **options):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    from dist2_robot.data.fast_lerobot import FastLeRobotDataset

    options = {"root": root, "video_backend": "pyav", **options}
    return LeRobotDataset("local/reach", **options), FastLeRobotDataset("local/reach", **options)


def same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        if isinstance(value, torch.Tensor):
            assert ours[name].dtype == value.dtype, name
            assert torch.equal(ours[name], value), name
        else:
            assert ours[name] == value, name


@pytest.mark.parametrize("deltas", [None, {"action": [0.0, 0.05, 0.1], "observation.state": [-0.1, 0.0]}])
@pytest.mark.parametrize("episodes", [None, [1, 3]])
def test_items_are_those_of_lerobot(root, deltas, episodes):
    theirs, ours = both(root, delta_timestamps=deltas, episodes=episodes)
    assert len(ours) == len(theirs)
    rows = list(range(len(theirs)))
    for mine, row in zip(ours.__getitems__(rows), rows, strict=True):
        same(mine, theirs[row])


def test_histories_of_pictures_and_transforms_are_those_of_lerobot(tmp_path):
    root = write_filmed(tmp_path / "reach", video=True)
    deltas = {CAMERA: [-0.05, 0.0], "action": [0.0]}
    theirs, ours = both(root, delta_timestamps=deltas, image_transforms=lambda x: 1 - x)
    for row in (0, 5, len(theirs) - 1):
        same(ours.__getitems__([row])[0], theirs[row])


def test_a_data_loader_gives_the_same_batches(root):
    theirs, ours = both(root, delta_timestamps={"action": [0.0, 0.05]})
    order = torch.randperm(len(theirs), generator=torch.Generator().manual_seed(0)).tolist()
    for mine, batch in zip(DataLoader(ours, 8, sampler=order), DataLoader(theirs, 8, sampler=order), strict=True):
        same(mine, batch)


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("episodes", [None, [2, 3]])
def test_pictures_of_other_times_are_those_of_lerobot(name, episodes, tmp_path):
    root = SOUND[name](tmp_path / "film")
    theirs, ours = both(root, episodes=episodes, delta_timestamps={CAMERA: [-0.05, 0.0]})
    rows = list(range(0, len(theirs), 4))
    for mine, row in zip(ours.__getitems__(rows), rows, strict=True):
        same(mine, theirs[row])


@pytest.mark.parametrize("name", LACKING)
def test_what_lerobot_refuses_is_refused(name, tmp_path):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset
    from lerobot.datasets.video_utils import FrameTimestampError

    root, episode, frame, _ = LACKING[name](tmp_path / "film")
    theirs = LeRobotDataset("local/film", root=root, video_backend="pyav")
    with pytest.raises(FrameTimestampError):
        theirs[STARTS[episode] + frame]
    with pytest.raises(InputError, match=f"frame {frame} of episode {episode}"):
        both(root)


def test_times_that_lerobot_refuses_are_refused_up_to_its_own_tolerance(tmp_path):
    root = write_film(tmp_path / "film", TIMES + 0.004)
    with pytest.raises(InputError, match=r"the nearest is at 0\.0040 s"):
        both(root)
    theirs, ours = both(root, tolerance_s=0.005)
    same(ours.__getitems__([7])[0], theirs[7])


@pytest.mark.parametrize("told", [{"info": {"is_depth_map": True}}, {"shape": [64, 64, 1]}])
def test_cameras_without_colours_are_refused(told, tmp_path):
    root = write_film(tmp_path / "film", pix_fmt="gray")
    change_info(root, lambda info: info["features"][CAMERA].update(told))
    with pytest.raises(ValueError, match=CAMERA):
        both(root)
