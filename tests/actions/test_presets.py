"""Laws of the usual specs: valid, saved and read alike, and with limits that hold what they are for."""

import itertools
import json
import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.presets import (
    ROTATION_NAMES,
    EndEffectorRotation,
    Gripper,
    end_effector_spec,
    gripper_dimension,
    joint_spec,
)
from dist2_robot.actions.relative import to_absolute, to_delta
from dist2_robot.actions.rotation import SHAPES, compose_rotation, convert
from dist2_robot.actions.spec import ActionSpec, ControlMode
from dist2_robot.errors import InputError
from dist2_robot.tokenizers.uniform import UniformTokenizer

ROTATIONS, MODES, GRIPPERS = get_args(EndEffectorRotation), get_args(ControlMode), get_args(Gripper)
ALL = list(itertools.product(ROTATIONS, MODES, GRIPPERS))
WORKSPACE = {"position_low": (0.2, -0.4, 0.0), "position_high": (0.8, 0.4, 0.5)}

axis_angles = st.tuples(*[st.floats(-4, 4)] * 3).map(np.array)
steps = st.tuples(*[st.floats(-1, 1)] * 3).map(lambda axis: np.array(axis) / max(1.0, math.hypot(*axis)))


def end_effector(rotation="axis_angle", control_mode="absolute", gripper="none", **changes):
    return end_effector_spec(rotation, control_mode, gripper, **{"rate_hz": 20.0, **WORKSPACE, **changes})


def survives(spec):
    return ActionSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize(("rotation", "control_mode", "gripper"), ALL)
def test_every_end_effector_is_a_spec_that_survives_json(rotation, control_mode, gripper):
    spec = end_effector(rotation, control_mode, gripper)
    assert survives(spec)
    size = SHAPES[rotation][0]
    kinds = ["ee_position"] * 3 + ["ee_rotation"] * size + ["gripper"] * (gripper != "none")
    assert [d.kind for d in spec.dimensions] == kinds
    assert spec.units[:3] == ("m", "m", "m")
    assert (spec.control_mode, spec.rate_hz, spec.source) == (control_mode, 20.0, "robot")


@pytest.mark.parametrize("control_mode", MODES)
@pytest.mark.parametrize("gripper", GRIPPERS)
def test_every_joint_spec_survives_json(control_mode, gripper):
    names = ["shoulder_pan.pos", "elbow_flex.pos"]
    spec = joint_spec(
        names, [-90, 0.0], [90, 120.0], unit="deg", rate_hz=30, control_mode=control_mode, gripper=gripper
    )
    assert survives(spec)
    assert spec.control_mode == control_mode
    assert list(spec.names) == names + ["gripper.pos"] * (gripper != "none")
    assert [(d.kind, d.unit, d.low, d.high, d.wraps) for d in spec.dimensions[:2]] == [
        ("joint", "deg", -90.0, 90.0, False),
        ("joint", "deg", 0.0, 120.0, False),
    ]


def test_rotations_have_as_many_numbers_as_they_are_written_with():
    assert set(ROTATION_NAMES) == set(ROTATIONS)
    for rotation, names in ROTATION_NAMES.items():
        assert SHAPES[rotation] == (len(names),)


@pytest.mark.parametrize("rotation", ROTATIONS)
@given(axis_angles)
def test_the_limits_hold_every_rotation(rotation, turn):
    dimensions = end_effector(rotation).dimensions[3:]
    for dimension, value in zip(dimensions, convert(turn, "axis_angle", rotation), strict=True):
        assert dimension.low - 1e-9 <= value <= dimension.high + 1e-9


@pytest.mark.parametrize(("rotation", "control_mode"), itertools.product(ROTATIONS, MODES))
def test_absolute_euler_angles_wrap_and_nothing_else_does(rotation, control_mode):
    dimensions = end_effector(rotation, control_mode, "binary").dimensions
    wraps = [d.wraps for d in dimensions]
    euler = rotation == "euler" and control_mode == "absolute"
    assert wraps == [euler and d.kind == "ee_rotation" for d in dimensions]
    angular = rotation in ("euler", "axis_angle")
    limit, unit = (math.pi, "rad") if angular else (1.0, "1")
    assert {(d.low, d.high, d.unit) for d in dimensions if d.kind == "ee_rotation"} == {(-limit, limit, unit)}


@pytest.mark.parametrize("rotation", ["rotation_6d", "quaternion"])
@given(axis_angles, steps, st.floats(1e-3, 0.1))
def test_a_turn_by_the_tolerance_changes_no_number_by_more_than_its_tolerance(rotation, turn, axis, angle):
    tolerances = np.array([d.tolerance for d in end_effector(rotation, rotation_tolerance=angle).dimensions[3:]])
    before = convert(turn, "axis_angle", rotation)
    after = convert(compose_rotation(angle * axis, turn), "axis_angle", rotation)
    if rotation == "quaternion":
        after = after if before @ after >= 0 else -after
    assert (np.abs(after - before) <= tolerances + 1e-12).all()


def test_tolerances_are_a_hundredth_of_the_range_unless_told():
    spec = end_effector("euler", "delta", largest_turn=0.5)
    assert [d.tolerance for d in spec.dimensions] == pytest.approx([0.006, 0.008, 0.005, 0.01, 0.01, 0.01])
    assert [(d.low, d.high) for d in spec.dimensions[3:]] == [(-0.5, 0.5)] * 3
    assert end_effector("axis_angle").dimensions[3].tolerance == pytest.approx(0.02 * math.pi)
    assert end_effector("rotation_6d").dimensions[3].tolerance == pytest.approx(0.02 * math.pi)
    assert end_effector("quaternion").dimensions[3].tolerance == pytest.approx(0.01 * math.pi)
    assert end_effector("axis_angle", rotation_tolerance=0.1).dimensions[3].tolerance == 0.1


@given(st.floats(-100, 100), st.floats(1e-2, 100), st.booleans())
def test_two_bins_of_a_binary_gripper_are_its_two_values(low, gap, shut_is_low):
    values = (low, low + gap) if shut_is_low else (low + gap, low)
    spec = ActionSpec(gripper_dimension("claw", "binary", values), "absolute", 10.0, "robot")
    tokenizer = UniformTokenizer(spec, horizon=2, bins=2)
    chunk = torch.tensor(values)[None, :, None]
    assert tokenizer.decode(tokenizer.encode(chunk)).flatten().tolist() == pytest.approx(values, abs=1e-4)
    assert bool(tokenizer.never_averaged().all())
    assert abs(values[1] - values[0]) / spec.dimensions[0].tolerance == pytest.approx(50)


@pytest.mark.parametrize("bins", [2, 3, 16, 256])
def test_more_bins_decode_the_values_of_a_binary_gripper_to_within_half_a_bin(bins):
    spec = ActionSpec(gripper_dimension("claw", "binary", (-1.0, 1.0)), "absolute", 10.0, "robot")
    tokenizer = UniformTokenizer(spec, horizon=2, bins=bins)
    chunk = torch.tensor([[[-1.0], [1.0]]])
    assert (tokenizer.decode(tokenizer.encode(chunk)) - chunk).abs().max() <= 4.0 / bins / 2 + 1e-6


def test_a_continuous_gripper_has_its_values_as_limits():
    (dimension,) = gripper_dimension("claw", "continuous", (0.08, 0.0))
    assert (dimension.low, dimension.high, dimension.kind) == (0.0, 0.08, "gripper")


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_absolute_specs_go_with_deltas(rotation):
    spec = end_effector(rotation, gripper="binary")
    low = torch.tensor([d.low for d in spec.dimensions])
    high = torch.tensor([d.high for d in spec.dimensions])
    actions, state = low + torch.rand(3, 5, len(spec)) * (high - low), (low + high) / 2
    restored = to_absolute(to_delta(actions, state, spec), state, spec)
    torch.testing.assert_close(restored, actions, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rotation": "quaternions"}, r"no rotation 'quaternions'.*Did you mean 'quaternion'\?"),
        ({"rotation": "matrix"}, "no rotation 'matrix'"),
        ({"gripper": "binari"}, r"no gripper 'binari'.*Did you mean 'binary'\?"),
        ({"control_mode": "torque"}, "control mode 'torque'"),
        ({"position_low": (0.0, 0.0)}, "3 limits, got 2 low and 3 high"),
        ({"position_high": (0.8, -0.4, 0.5)}, r"'ee\.y'"),
        ({"rate_hz": 0.0}, "rate"),
        ({"control_mode": "delta", "largest_turn": 0.0}, "largest_turn"),
        ({"control_mode": "delta", "largest_turn": 4.0}, "largest_turn"),
        ({"control_mode": "delta", "largest_turn": math.nan}, "largest_turn"),
        ({"control_mode": "absolute", "largest_turn": 0.5}, "largest_turn"),
        ({"control_mode": "delta", "rotation": "quaternion", "largest_turn": 0.5}, "largest_turn"),
        ({"rotation_tolerance": -0.1}, r"'ee\.wx'.*tolerance"),
        ({"gripper": "binary", "gripper_values": (1.0, 1.0)}, r"'ee\.gripper_pos'"),
        ({"gripper": "binary", "gripper_values": (0.0, math.nan)}, r"'ee\.gripper_pos'"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(changes, message):
    with pytest.raises(InputError, match=message) as refused:
        end_effector(**changes)
    assert "\n" not in str(refused.value)


def test_joints_need_a_limit_each():
    with pytest.raises(InputError, match="2 joints need as many limits, got 1 low and 2 high"):
        joint_spec(["a", "b"], [0.0], [1.0, 1.0], rate_hz=10.0)
    with pytest.raises(InputError, match="'b'"):
        joint_spec(["a", "b"], [0.0, 1.0], [1.0, 1.0], rate_hz=10.0)
    with pytest.raises(InputError, match="'grab'"):
        joint_spec(["a"], [0.0], [1.0], rate_hz=10.0, gripper="grab")
