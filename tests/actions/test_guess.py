"""Laws of what is guessed from recorded columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dist2_robot.actions.guess import guess_dimensions, is_two_valued
from dist2_robot.errors import InputError

recorded = hnp.arrays(np.float32, (7, 2), elements=st.floats(-1000, 1000, width=32))


@given(recorded)
def test_limits_guessed_from_columns_hold_every_column(columns):
    dimensions = guess_dimensions(columns, ["arm", "gripper.pos"], ["rad", "?"])
    assert [d.kind for d in dimensions] == ["joint", "gripper"]
    for dimension, column in zip(dimensions, columns.T, strict=True):
        assert dimension.low < column.min()
        assert column.max() < dimension.high
        # Five hundredths on either side: a tenth more than the range that was seen.
        seen = float(column.max()) - float(column.min())
        if seen > 1e-2 * max(1.0, abs(float(column.min()))):
            assert dimension.high - dimension.low == pytest.approx(1.1 * seen, rel=1e-4)


def test_columns_must_be_as_many_as_names():
    with pytest.raises(IndexError):
        guess_dimensions(np.zeros((4, 1)), ["a", "b"], ["rad", "rad"])


@pytest.mark.fault("D1")
def test_columns_that_are_not_finite_are_refused_by_name():
    columns = np.zeros((4, 2))
    columns[2, 1] = np.nan
    with pytest.raises(InputError, match="'b'"):
        guess_dimensions(columns, ["a", "b"], ["rad", "rad"])


@pytest.mark.parametrize("name", ["gripper.pos", "left_Gripper", "jaw", "right_grip_0"])
def test_grippers_are_known_by_their_names(name):
    assert guess_dimensions(np.arange(4.0)[:, None], [name], ["?"])[0].kind == "gripper"


def test_a_number_with_two_values_is_a_gripper_whatever_its_name():
    """Half way between two values is neither, so they must not be averaged."""
    columns = np.stack([np.tile([0.0, 1.0], 30), np.linspace(0, 1, 60), np.zeros(60)], axis=1)
    kinds = [d.kind for d in guess_dimensions(columns, ["action[0]", "action[1]", "action[2]"], ["?"] * 3)]
    assert kinds == ["gripper", "joint", "joint"]
    assert not is_two_valued(columns[:40, 0])  # so few may be two by chance


def test_percent_ends_at_a_hundred():
    columns = np.stack([np.linspace(-99, 100, 9), np.linspace(0, 100, 9)], axis=1)
    joint, gripper = guess_dimensions(columns, ["a", "gripper"], ["%", "%"])
    assert (joint.low, joint.high) == (-100, 100)
    assert (gripper.low, gripper.high) == (0, 100)
