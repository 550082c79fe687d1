"""The same items as LeRobot's own dataset gives."""

import pytest
import torch
from torch.utils.data import DataLoader

from tests.data.recordings import CAMERA, write_filmed


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
