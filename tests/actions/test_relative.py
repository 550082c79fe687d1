"""Laws of deltas: they lead back to where they came from, the short way round."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dist2_robot.actions.relative import to_absolute, to_delta
from dist2_robot.actions.spec import ActionDimension, ActionSpec

REFERENCES = ["start", "previous"]
LIFT, CLAW = 0, 3
SPEC = ActionSpec(
    (
        ActionDimension("lift", "joint", "m", 0.0, 0.5),
        ActionDimension("yaw", "ee_rotation", "rad", -math.pi, math.pi, wraps=True),
        ActionDimension("course", "joint", "deg", 0.0, 360.0, wraps=True),
        ActionDimension("claw", "gripper", "1", 0.0, 1.0, wraps=True),  # a gripper stays absolute even so
    ),
    "absolute",
    10.0,
    "file",
)
LOW = torch.tensor([d.low for d in SPEC.dimensions], dtype=torch.float64)
PERIOD = torch.tensor([d.high - d.low for d in SPEC.dimensions], dtype=torch.float64)
WRAPS = torch.tensor([False, True, True, False])


def chunks(*shape):
    """Draw values of SPEC (*shape, 4), some of them out of range and some at the seam."""
    shares = st.one_of(st.floats(-3, 3), st.sampled_from([0.0, 1.0, -1e-17, 1e-17, 1 - 1e-16, 0.5]))
    return hnp.arrays(float, (*shape, 4), elements=shares).map(lambda share: LOW + torch.from_numpy(share) * PERIOD)


def off(a, b):
    """Return how far a is from b, modulo the period where a dimension wraps."""
    difference = (a - b).double()
    around = torch.remainder(difference + PERIOD / 2, PERIOD) - PERIOD / 2
    return torch.where(WRAPS, around, difference).abs().max()


@pytest.mark.parametrize("reference", REFERENCES)
@given(chunks(2, 5), chunks(2))
def test_deltas_lead_back_to_the_targets(reference, actions, state):
    deltas = to_delta(actions, state, SPEC, reference)
    assert off(to_absolute(deltas, state, SPEC, reference), actions) < 1e-9


@pytest.mark.parametrize("reference", REFERENCES)
@given(chunks(2, 5), chunks(2))
def test_targets_lead_back_to_the_deltas(reference, deltas, state):
    actions = to_absolute(deltas, state, SPEC, reference)
    assert off(to_delta(actions, state, SPEC, reference), deltas) < 1e-9


@pytest.mark.parametrize("reference", REFERENCES)
@given(chunks(2, 5), chunks(2))
def test_what_wraps_goes_the_short_way_round_and_comes_back_into_its_limits(reference, actions, state):
    deltas = to_delta(actions, state, SPEC, reference)[..., WRAPS]
    half = PERIOD[WRAPS] / 2
    assert ((-half <= deltas) & (deltas < half)).all()
    targets = to_absolute(to_delta(actions, state, SPEC, reference), state, SPEC, reference)[..., WRAPS]
    low, high = LOW[WRAPS], (LOW + PERIOD)[WRAPS]
    assert ((low <= targets) & (targets < high)).all()


@pytest.mark.parametrize("reference", REFERENCES)
@given(chunks(2, 5), chunks(2))
def test_grippers_stay_absolute_whatever_the_state(reference, actions, state):
    assert torch.equal(to_delta(actions, state, SPEC, reference)[..., CLAW], actions[..., CLAW])
    assert torch.equal(to_absolute(actions, state, SPEC, reference)[..., CLAW], actions[..., CLAW])


def test_each_reference_is_what_it_says():
    state = torch.tensor([0.1, 3.0, 350.0, 0.3])
    actions = torch.tensor([[0.2, -3.0, 10.0, 1.0], [0.4, 3.0, 340.0, 0.0]])
    seam = 2 * math.pi - 6
    start = [[0.1, seam, 20.0, 1.0], [0.3, 0.0, -10.0, 0.0]]
    previous = [[0.1, seam, 20.0, 1.0], [0.2, -seam, -30.0, 0.0]]
    torch.testing.assert_close(to_delta(actions, state, SPEC), torch.tensor(start))
    torch.testing.assert_close(to_delta(actions, state, SPEC, "start"), torch.tensor(start))
    torch.testing.assert_close(to_delta(actions, state, SPEC, "previous"), torch.tensor(previous))


@given(chunks(5), chunks())
def test_deltas_to_the_previous_target_add_up_to_those_to_the_start(actions, state):
    steps = to_delta(actions, state, SPEC, "previous")
    whole = to_delta(actions, state, SPEC, "start")
    added = steps.cumsum(dim=0)
    added[:, CLAW] = whole[:, CLAW]  # absolute in both
    assert off(added, whole) < 1e-9


@pytest.mark.parametrize("reference", REFERENCES)
@given(chunks(3, 5), chunks(3))
def test_a_batch_is_its_chunks_one_by_one(reference, actions, state):
    for convert in (to_delta, to_absolute):
        batch = convert(actions, state, SPEC, reference)
        for i in range(3):
            assert torch.equal(batch[i], convert(actions[i], state[i], SPEC, reference))
        one_state = convert(actions, state[0], SPEC, reference)
        assert torch.equal(one_state, convert(actions, state[:1].expand(3, -1), SPEC, reference))


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_long_chunk_in_32_bits_does_not_drift(reference):
    actions = LOW.float() + torch.rand(2, 500, 4) * PERIOD.float()
    state = LOW.float() + torch.rand(2, 4) * PERIOD.float()
    deltas = to_delta(actions, state, SPEC, reference)
    assert deltas.dtype == torch.float32
    assert off(to_absolute(deltas, state, SPEC, reference), actions) < 1e-3 * 360 / 100  # the course is in degrees
    assert (to_absolute(deltas, state, SPEC, reference) - actions)[..., LIFT].abs().max() < 1e-5


@pytest.mark.parametrize("reference", REFERENCES)
def test_the_arguments_are_left_alone(reference):
    actions, state = LOW + 2 * PERIOD * torch.rand(3, 5, 4), LOW + PERIOD * torch.rand(3, 4)
    copies = actions.clone(), state.clone()
    to_delta(actions, state, SPEC, reference)
    to_absolute(actions, state, SPEC, reference)
    assert torch.equal(actions, copies[0])
    assert torch.equal(state, copies[1])


def test_what_repeats_at_the_end_is_no_movement():
    actions = torch.tensor([[0.2, 1.0, 10.0, 1.0]] * 3)
    deltas = to_delta(actions, torch.zeros(4), SPEC, "previous")
    assert deltas[1:, :CLAW].tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("convert", [to_delta, to_absolute])
@pytest.mark.parametrize(
    ("actions", "state"),
    [((4,), (4,)), ((5, 3), (3,)), ((5, 4), (1,)), ((5, 4), (5, 4)), ((2, 5, 4), (3, 4)), ((2, 5, 4), (2, 5, 4))],
)
def test_a_shape_that_does_not_fit_is_refused_and_never_broadcast(convert, actions, state):
    with pytest.raises(ValueError, match="must be"):
        convert(torch.zeros(actions), torch.zeros(state), SPEC)


@pytest.mark.fault("D1")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("convert", [to_delta, to_absolute])
def test_numbers_that_are_not_finite_are_refused(convert, bad):
    for actions, state in ((torch.full((5, 4), bad), torch.zeros(4)), (torch.zeros(5, 4), torch.full((4,), bad))):
        with pytest.raises(ValueError, match="not finite"):
            convert(actions, state, SPEC)


def test_whole_numbers_deltas_of_deltas_and_unknown_references_are_refused():
    actions, state = torch.zeros(5, 4), torch.zeros(4)
    with pytest.raises(ValueError, match="floats"):
        to_delta(actions.long(), state, SPEC)
    with pytest.raises(ValueError, match="control mode of the spec is delta"):
        to_delta(actions, state, ActionSpec(SPEC.dimensions, "delta", 10.0, "file"))
    with pytest.raises(ValueError, match="'next' is none of"):
        to_delta(actions, state, SPEC, "next")
