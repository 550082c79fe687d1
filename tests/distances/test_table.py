"""What a table of distances is, and what it refuses to be."""

import math

import pytest
import torch

from dist2_robot.distances.table import DistanceTable

LINE = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 1.0], [2.0, 1.0, 0.0]])
GROUPS = torch.tensor([0, 0])


def changed(row, column, value, *, both=True):
    table = LINE.clone()
    table[row, column] = value
    if both:
        table[column, row] = value
    return table[None]


def test_a_table_knows_its_vocabulary():
    assert DistanceTable(LINE[None], GROUPS).vocab_size == 3


@pytest.mark.parametrize(
    ("distances", "message"),
    [
        (LINE, "groups, V, V"),
        (LINE[None, :2], "groups, V, V"),
        (changed(0, 1, math.nan), "finite"),
        (changed(0, 1, math.inf), "finite"),
        (changed(0, 1, -1.0), "negative"),
        (changed(0, 1, 5.0, both=False), "symmetric"),
        (changed(1, 1, 0.1), "diagonal"),
    ],
)
def test_a_table_that_holds_no_distances_is_refused(distances, message):
    with pytest.raises(ValueError, match=message):
        DistanceTable(distances, GROUPS)


@pytest.mark.parametrize("groups", [[0, 1], [-1, 0], [[0], [0]]])
def test_a_position_must_have_a_table(groups):
    with pytest.raises(ValueError, match="indices into 1 tables"):
        DistanceTable(LINE[None], torch.tensor(groups))
