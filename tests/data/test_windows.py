"""T steps of a chunk."""

import pytest
import torch
from torch.utils.data import DataLoader

from dist2_robot.data.folder import open_folder
from dist2_robot.data.table import join_tables, read_table
from dist2_robot.data.windows import ChunkWindows
from tests.data.recordings import LENGTHS, STARTS, TASK, write_filmed


@pytest.mark.parametrize("horizon", [1, 5, 20])  # 20: longer than any episode
def test_windows_are_those_of_lerobot_to_the_bit(reach, horizon):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    folder = open_folder(reach)
    offsets = [step / folder.rate_hz for step in range(horizon)]
    theirs = LeRobotDataset("local/reach", root=reach, delta_timestamps={"action": offsets})
    windows = ChunkWindows(read_table(folder), torch.arange(len(theirs)), horizon)
    batch = windows.gather(torch.arange(len(windows)))
    assert len(theirs) == sum(LENGTHS)
    for i in range(len(theirs)):
        item = theirs[i]
        assert torch.equal(batch.actions[i], item["action"])
        assert torch.equal(batch.is_padding[i], item["action_is_pad"])
        for name, value in batch.observation.features.items():
            assert torch.equal(value[i], item[name].view_as(value[i]))  # LeRobot gives one number as a scalar


@pytest.mark.parametrize("history", [2, 4])
def test_a_history_is_that_of_lerobot_to_the_bit(reach, history):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    folder = open_folder(reach)
    back = [step / folder.rate_hz for step in range(1 - history, 1)]
    names = ["observation.state", "observation.environment_state"]
    theirs = LeRobotDataset("local/reach", root=reach, delta_timestamps=dict.fromkeys(names, back))
    batch = ChunkWindows(read_table(folder), torch.arange(len(theirs)), 1, history).gather(torch.arange(len(theirs)))
    for i in range(len(theirs)):
        for name in names:
            values = batch.observation.features[name][i]
            assert torch.equal(values, theirs[i][name].view_as(values))


def test_every_window_says_its_task(reach, tmp_path):
    other = write_filmed(tmp_path / "other", task="Something else.")
    table = join_tables([read_table(open_folder(root)) for root in (reach, other)])
    batch = ChunkWindows(table, torch.tensor([0, sum(LENGTHS), 5]), 2).gather(torch.arange(3))
    assert batch.observation.tasks == (TASK, "Something else.", TASK)


def test_no_window_reaches_into_the_next_episode(reach):
    table = read_table(open_folder(reach))
    last = table.frames_of([2])[-1:]
    batch = ChunkWindows(table, last, 4).gather(torch.tensor([0]))
    assert last == STARTS[3] - 1
    assert torch.equal(batch.actions[0], table.features["action"][last].expand(4, -1))
    assert batch.is_padding.tolist() == [[False, True, True, True]]


def test_a_data_loader_fetches_the_same_windows(reach):
    table = read_table(open_folder(reach))
    windows = ChunkWindows(table, table.frames_of([1, 3]), 6)
    order = torch.randperm(len(windows), generator=torch.Generator().manual_seed(0))
    batches = list(DataLoader(windows, batch_size=8, sampler=order.tolist(), collate_fn=lambda batch: batch))
    assert torch.equal(torch.cat([batch.actions for batch in batches]), windows.gather(order).actions)
