"""What a camera sees once the actions are done."""

import pytest
import torch

from dist2_robot.cli.dataset import load_training_data
from dist2_robot.data.future_windows import NEXT, FutureWindows
from tests.data.recordings import CAMERA, LENGTHS, write_filmed

HORIZON = 4
CONFIG = {"repo_id": None, "episodes": None, "image_size": 16, "validation": 0.0}


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    root = write_filmed(tmp_path_factory.mktemp("filmed") / "data")
    return load_training_data({**CONFIG, "root": str(root)}, HORIZON, 0).training


def test_every_window_shows_the_picture_after_its_actions(windows):
    later = FutureWindows(windows, CAMERA)
    batch = later.gather(torch.arange(len(later)))
    pictures, actions = windows.table.features[CAMERA], windows.table.features["action"]
    for i, frame in enumerate(later.frames.tolist()):
        assert torch.equal(batch.observation.features[CAMERA][i], pictures[frame])
        assert torch.equal(batch.observation.features[NEXT + CAMERA][i], pictures[frame + HORIZON])
        assert torch.equal(batch.actions[i], actions[frame : frame + HORIZON])


def test_none_reaches_into_another_episode(windows):
    later = FutureWindows(windows, CAMERA)
    assert len(later) == sum(length - HORIZON for length in LENGTHS[:4])
    assert not later.gather(torch.arange(len(later))).is_padding.any()
    starts = windows.table.episode_starts
    episode = torch.bucketize(later.frames, starts, right=True)
    assert torch.equal(episode, torch.bucketize(later.frames + HORIZON, starts, right=True))
