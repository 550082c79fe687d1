"""Columns that never move: found in recordings, taken out and put back."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.constants import MovingColumns, check_constants, count_dimensions, with_constants
from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.errors import InputError


def spec_of(*dimensions: ActionDimension) -> ActionSpec:
    return ActionSpec(dimensions, "absolute", 10.0, "file")


LIFT = ActionDimension("lift", "joint", "rad", -1.0, 1.0)
TURN = ActionDimension("turn", "joint", "rad", -math.pi, math.pi, wraps=True)
CLAW = ActionDimension("claw", "gripper", "%", 0.0, 100.0)
SPEC = spec_of(LIFT, TURN, CLAW)


def constants(spec: ActionSpec) -> list[float | None]:
    return [d.constant for d in spec.dimensions]


def test_what_never_moves_is_constant_to_the_last_bit():
    recorded = torch.tensor([[0.1, 0.3, 7.7], [0.1, 0.30000004, 7.7]])
    assert constants(with_constants(SPEC, recorded)) == [float(np.float32(0.1)), None, float(np.float32(7.7))]


def test_a_constant_beyond_the_limits_is_not_clipped():
    found = with_constants(SPEC, torch.tensor([[1.25, 0.0, 1.0], [1.25, 0.5, 2.0]]))
    assert (found.dimensions[0].low, found.dimensions[0].high, found.dimensions[0].constant) == (-1.0, 1.25, 1.25)
    assert found.dimensions[0].tolerance == LIFT.tolerance
    turned = with_constants(SPEC, torch.tensor([[0.0, 4.0, 1.0], [0.5, 4.0, 2.0]])).dimensions[1]
    assert (turned.low, turned.high, turned.constant) == (-math.pi, math.pi, 4.0)


def test_what_was_constant_before_and_moves_now_is_not():
    still = with_constants(SPEC, torch.tensor([[0.5, 0.0, 1.0], [0.5, 0.5, 1.0]]))
    assert constants(with_constants(still, torch.tensor([[0.5, 0.0, 1.0], [0.6, 0.5, 1.0]]))) == [None, None, 1.0]


def test_where_nothing_moves_there_is_nothing_to_learn():
    with pytest.raises(InputError, match=r"\['lift', 'turn', 'claw'\] never move in the recordings"):
        with_constants(SPEC, torch.zeros(5, 3))


def test_a_spec_says_of_a_constant_only_where_there_is_one():
    still = with_constants(SPEC, torch.tensor([[0.5, 0.0, 1.0], [0.5, 0.5, 1.0]]))
    assert ActionSpec.from_dict(still.to_dict()) == still
    assert ["constant" in entry for entry in still.to_dict()["dimensions"]] == [True, False, True]
    assert SPEC.moving is SPEC
    assert still.moving == spec_of(TURN)
    assert count_dimensions(still) == "3 action dimensions, 2 of which never move and are sent as recorded,"
    assert count_dimensions(SPEC) == "3 action dimensions"


@pytest.mark.parametrize("constant", [1.5, math.nan, math.inf, True, "0"])
def test_a_constant_must_be_a_number_within_the_limits(constant):
    with pytest.raises(InputError, match=r"action dimension 'lift'.*constant"):
        ActionDimension("lift", "joint", "rad", -1.0, 1.0, constant=constant)


@given(st.lists(st.one_of(st.none(), st.floats(-1, 1, width=32)), min_size=1, max_size=8).filter(lambda x: None in x))
def test_taken_out_and_put_back(values):
    spec = spec_of(*(ActionDimension(f"a{i}", "joint", "rad", -1.0, 1.0, constant=x) for i, x in enumerate(values)))
    columns, actions = MovingColumns(spec), torch.rand(2, 3, len(values))
    moving = [i for i, x in enumerate(values) if x is None]
    assert torch.equal(columns.take(actions), actions[..., moving])
    wanted = actions.clone()
    for i, x in enumerate(values):
        if x is not None:
            wanted[..., i] = x
    assert torch.equal(columns.put_back(columns.take(actions)), wanted)
    assert torch.equal(columns.put_back(columns.take(actions), 0.0)[..., moving], actions[..., moving])
    assert columns.put_back(columns.take(actions), 0.0).count_nonzero() == actions[..., moving].count_nonzero()


def test_data_in_which_it_moves_are_told_of():
    still = with_constants(SPEC, torch.tensor([[0.5, 0.0, 1.0], [0.5, 0.5, 1.0]]))
    check_constants(still, torch.tensor([[0.5, 3.0, 1.0]]), "data/more")
    with pytest.raises(InputError, match=r"'claw' never moves from 1, .* in 'data/more' it is 1 to 30: train a new"):
        check_constants(still, torch.tensor([[0.5, 3.0, 1.0], [0.5, 3.0, 30.0]]), "data/more")
