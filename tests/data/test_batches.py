from itertools import islice

import pytest
import torch

from dist2_robot.data.batches import BatchStream
from dist2_robot.data.folder import open_folder
from dist2_robot.data.table import join_tables, read_table
from dist2_robot.data.windows import ChunkWindows
from tests.data.recordings import LENGTHS, write_filmed

FRAMES = sum(LENGTHS)


@pytest.fixture(scope="module")
def windows(reach):
    table = read_table(open_folder(reach))
    return ChunkWindows(table, torch.arange(FRAMES), 3)


def first_numbers(batches):
    """Return what tells the frames of batches apart: the first number of their state."""
    return [number for batch in batches for number in batch.observation.features["observation.state"][:, 0].tolist()]


@pytest.mark.fault("R4")
@pytest.mark.parametrize("batch_size", [12, 13])
def test_a_batch_is_the_same_from_whatever_step_the_stream_starts(windows, batch_size):
    stream = BatchStream(windows, batch_size, seed=3)
    all_batches = list(islice(stream.from_step(0), 30))
    for start in (1, 7, 8, 9, 25):
        for batch, expected in zip(islice(stream.from_step(start), 5), all_batches[start:], strict=False):
            assert torch.equal(batch.actions, expected.actions)
            assert torch.equal(batch.is_padding, expected.is_padding)
            assert first_numbers([batch]) == first_numbers([expected])


def test_an_epoch_visits_every_frame_once(windows):
    every = sorted(windows.table.features["observation.state"][:, 0].tolist())
    stream = BatchStream(windows, 12, seed=0)
    assert stream.batches_per_epoch == FRAMES // 12
    for epoch in range(3):
        batches = islice(stream.from_step(epoch * 8), 8)
        assert sorted(first_numbers(batches)) == every


def test_an_incomplete_batch_is_left_out_and_nothing_comes_twice(windows):
    stream = BatchStream(windows, 13, seed=0)
    seen = first_numbers(islice(stream.from_step(0), stream.batches_per_epoch))
    assert len(seen) == len(set(seen)) == FRAMES // 13 * 13


def test_epochs_and_seeds_shuffle_differently(windows):
    orders = {
        str(first_numbers(islice(BatchStream(windows, FRAMES, seed).from_step(epoch), 1)))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9


def test_a_batch_larger_than_the_data_is_all_of_it(windows):
    batch = next(BatchStream(windows, 1000, 0).from_step(5))
    assert len(batch.actions) == FRAMES


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_same_batches(windows, processes):
    whole = BatchStream(windows, 12, seed=1).from_step(3)
    parts = [BatchStream(windows, 12, seed=1, process=i, processes=processes).from_step(3) for i in range(processes)]
    for _ in range(10):
        together = torch.cat([next(part).actions for part in parts])
        assert torch.equal(together, next(whole).actions)


def test_a_batch_that_cannot_be_shared_is_refused(windows):
    with pytest.raises(ValueError, match="12 cannot be cut into 5"):
        BatchStream(windows, 12, seed=1, processes=5)


@pytest.fixture(scope="module")
def mixture(reach, tmp_path_factory):
    other = write_filmed(tmp_path_factory.mktemp("more") / "other", seed=4)
    table = join_tables([read_table(open_folder(root)) for root in (reach, other)])
    return ChunkWindows(table, torch.arange(len(table.features["action"])), 3)


def test_datasets_are_drawn_from_by_weight_not_by_size(mixture):
    stream = BatchStream(mixture, 40, seed=0, weights=[1, 3])
    first = set(mixture.table.features["observation.state"][:FRAMES, 0].tolist())
    drawn = first_numbers(islice(stream.from_step(0), 50))
    share = sum(number in first for number in drawn) / len(drawn)
    assert share == pytest.approx(0.25, abs=0.03)  # three standard deviations of 2,000 draws
    assert len(set(drawn)) > 0.95 * len(mixture)
    again = BatchStream(mixture, 40, seed=0, weights=[1, 3])
    assert first_numbers(islice(again.from_step(7), 3)) == drawn[7 * 40 : 10 * 40]


@pytest.mark.parametrize("weights", [[1], [1, 2, 3], [-1, 2], [0, 0]])
def test_weights_that_do_not_fit_are_refused(mixture, weights):
    with pytest.raises(ValueError, match="2 datasets need"):
        BatchStream(mixture, 8, seed=0, weights=weights)
