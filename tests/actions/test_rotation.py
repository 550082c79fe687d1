"""Laws of rotations: every way to write one down can be undone, and what is no rotation is refused by its row."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dist2_robot.actions.rotation import (
    DEGENERATE,
    SHAPES,
    Representation,
    angle_between,
    compose_rotation,
    continuous,
    convert,
    from_matrix,
    relative_rotation,
    to_matrix,
)

REPRESENTATIONS = get_args(Representation)
SAME = 1e-6  # rad

axes = st.one_of(
    st.sampled_from([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (0.0, 1.0, -1.0)]),
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: math.hypot(*axis) > 0.1),
)
tiny = st.one_of(st.just(0.0), st.floats(-12, -1).map(lambda exponent: 10**exponent))
angles = st.one_of(st.floats(-10, 10), tiny, tiny.map(lambda gap: math.pi - gap), tiny.map(lambda gap: gap - math.pi))
any_axis_angle = st.tuples(axes, angles).map(
    lambda drawn: np.array(drawn[0]) * drawn[1] / math.hypot(*drawn[0]),
)
near_gimbal_lock = st.tuples(angles, st.sampled_from([-1, 1]), tiny, angles).map(
    lambda drawn: np.array([drawn[0], drawn[1] * (math.pi / 2 - drawn[2]), drawn[3]]),
)
matrices = st.one_of(
    any_axis_angle.map(lambda values: to_matrix(values, "axis_angle")),
    near_gimbal_lock.map(lambda values: to_matrix(values, "euler")),
)
quaternions = hnp.arrays(float, 4, elements=st.floats(-10, 10)).filter(lambda q: np.linalg.norm(q) > 1e-3)


@st.composite
def columns(draw):
    """Draw two columns (6,) of very different lengths that are not parallel."""
    first, second = (draw(hnp.arrays(float, 3, elements=st.floats(-1, 1))) for _ in range(2))
    assume(min(np.linalg.norm(first), np.linalg.norm(second)) > 1e-3)
    sine = np.linalg.norm(np.cross(first, second)) / np.linalg.norm(first) / np.linalg.norm(second)
    assume(sine > 10 * DEGENERATE)
    scales = st.floats(-2, 4).map(lambda exponent: 10**exponent)
    return np.concatenate([draw(scales) * first, draw(scales) * second])


def same(a, b, representation):
    return angle_between(a, b, representation) < SAME


@pytest.mark.parametrize("target", REPRESENTATIONS)
@pytest.mark.parametrize("source", REPRESENTATIONS)
@given(matrices)
def test_every_conversion_undoes_itself(source, target, matrix):
    values = from_matrix(matrix, source)
    there = convert(values, source, target)
    assert there.shape == SHAPES[target]
    assert same(convert(there, target, source), values, source)
    assert same(to_matrix(there, target), matrix, "matrix")


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@given(matrices)
def test_32_bits_are_enough(representation, matrix):
    values = from_matrix(matrix, representation).astype(np.float32)
    assert angle_between(to_matrix(values, representation), matrix) < 1e-6


half_turns = hnp.arrays(float, 3, elements=st.floats(-1, 1)).map(lambda axis: np.append(axis, 0.0))


@given(st.one_of(quaternions, half_turns.filter(lambda q: np.linalg.norm(q) > 1e-3)))
def test_a_quaternion_and_its_negative_are_one_rotation(q):
    assert same(q, -q, "quaternion")
    for target in REPRESENTATIONS:
        np.testing.assert_array_equal(convert(q, "quaternion", target), convert(-q, "quaternion", target))


@given(quaternions)
def test_a_quaternion_comes_out_unit_with_the_scalar_not_negative(q):
    unit = convert(q, "quaternion", "quaternion")
    assert np.linalg.norm(unit) == pytest.approx(1)
    assert unit[3] >= 0
    np.testing.assert_allclose(np.abs(unit), np.abs(q) / np.linalg.norm(q), atol=1e-12)


@pytest.mark.parametrize(
    ("q", "canonical"),
    [([0, 0, -1, 0], [0, 0, 1, 0]), ([0, -0.6, 0.8, 0], [0, 0.6, -0.8, 0]), ([0.6, 0, -0.8, 0], [0.6, 0, -0.8, 0])],
)
def test_half_a_turn_has_its_first_number_positive(q, canonical):
    np.testing.assert_allclose(convert(q, "quaternion", "quaternion"), canonical, atol=1e-15)


@given(hnp.arrays(float, (6, 4), elements=st.floats(-1, 1)))
def test_a_continuous_sequence_changes_signs_only_and_never_jumps(sequence):
    assume((np.linalg.norm(sequence, axis=-1) > 1e-3).all())
    smooth = continuous(sequence)
    np.testing.assert_array_equal(np.abs(smooth), np.abs(sequence))
    np.testing.assert_array_equal(smooth[0], sequence[0])
    assert same(smooth, sequence, "quaternion").all()
    steps = np.linalg.norm(smooth[1:] - smooth[:-1], axis=-1)
    assert (steps <= np.linalg.norm(smooth[1:] + smooth[:-1], axis=-1) + 1e-12).all()
    np.testing.assert_array_equal(continuous(smooth), smooth)
    np.testing.assert_array_equal(continuous(np.stack([sequence, sequence[::-1]]))[0], smooth)


@given(axes, st.lists(st.booleans(), min_size=40, max_size=40))
def test_a_slow_turn_past_pi_is_slow_as_a_sequence_of_quaternions(axis, flips):
    turn = np.linspace(0, 4 * math.pi, 40)[:, None] * np.array(axis) / math.hypot(*axis)
    q = convert(turn, "axis_angle", "quaternion")
    assert np.abs(np.diff(q, axis=0)).max() > 0.5  # one sign for each rotation cannot avoid the jump
    q = np.where(np.array(flips)[:, None], -q, q)
    steps = np.linalg.norm(np.diff(continuous(q), axis=0), axis=-1)
    np.testing.assert_allclose(steps, 2 * math.sin(math.pi / 39), atol=1e-9)


@given(hnp.arrays(float, 3, elements=angles), st.integers(0, 2))
def test_minus_pi_and_pi_are_neighbours(values, i):
    below, above = values.copy(), values.copy()
    below[i], above[i] = math.pi - 1e-3, -math.pi + 1e-3
    assert angle_between(below, above, "euler") == pytest.approx(2e-3, abs=1e-9)
    below[i], above[i] = math.pi, -math.pi
    assert same(below, above, "euler")


@given(axes, tiny)
def test_opposite_axes_meet_at_pi(axis, gap):
    unit = np.array(axis) / math.hypot(*axis)
    a, b = (math.pi - gap) * unit, (math.pi - gap) * -unit
    assert angle_between(a, b, "axis_angle") == pytest.approx(2 * gap, abs=1e-9)


@given(matrices)
def test_angles_come_out_in_their_ranges(matrix):
    roll, pitch, yaw = from_matrix(matrix, "euler")
    assert -math.pi <= roll < math.pi
    assert -math.pi / 2 <= pitch <= math.pi / 2
    assert -math.pi <= yaw < math.pi
    assert np.linalg.norm(from_matrix(matrix, "axis_angle")) <= math.pi + 1e-12


@pytest.mark.parametrize("pitch", [-math.pi / 2, math.pi / 2])
@given(roll=st.floats(-3, 3), yaw=st.floats(-3, 3))
def test_yaw_is_0_in_gimbal_lock(pitch, roll, yaw):
    locked = convert([roll, pitch, yaw], "euler", "euler")
    assert locked[1:] == pytest.approx([pitch, 0])
    assert same(locked, [roll, pitch, yaw], "euler")


def test_euler_angles_are_about_fixed_axes():
    def about(axis, angle):
        return to_matrix(angle * np.eye(3)[axis], "axis_angle")

    expected = about(2, 0.3) @ about(1, 0.2) @ about(0, 0.1)
    np.testing.assert_allclose(to_matrix([0.1, 0.2, 0.3], "euler"), expected, atol=1e-15)


def test_a_quarter_turn_about_z_in_each_representation():
    quarter, root = math.pi / 2, math.sqrt(0.5)
    matrix = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]  # x goes to y, y to -x
    for representation, values in {
        "euler": [0, 0, quarter],
        "axis_angle": [0, 0, quarter],
        "rotation_6d": [0, 1, 0, -1, 0, 0],
        "quaternion": [0, 0, root, root],
        "matrix": matrix,
    }.items():
        np.testing.assert_allclose(from_matrix(matrix, representation), values, atol=1e-15)
        np.testing.assert_allclose(to_matrix(values, representation), matrix, atol=1e-15)


@given(columns())
def test_any_two_directions_give_an_orthonormal_matrix(values):
    matrix = to_matrix(values, "rotation_6d")
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    # The first column keeps its direction, the second stays on its side of it.
    np.testing.assert_allclose(matrix[:, 0], values[:3] / np.linalg.norm(values[:3]), atol=1e-9)
    assert matrix[:, 1] @ values[3:] > 0
    assert abs(matrix[:, 2] @ values[3:]) < 1e-9 * np.linalg.norm(values[3:])


@given(axes, axes, st.floats(0, math.pi))
def test_the_angle_between_is_that_of_the_turn(axis, other, angle):
    start = to_matrix(other, "axis_angle")
    turn = to_matrix(angle * np.array(axis) / math.hypot(*axis), "axis_angle")
    assert angle_between(start, turn @ start) == pytest.approx(angle, abs=1e-9)
    assert angle_between(turn @ start, start) == pytest.approx(angle, abs=1e-9)


@given(matrices, matrices, matrices)
def test_the_angle_between_is_a_metric(a, b, c):
    assert angle_between(a, a) < 1e-9
    assert angle_between(a, b) == pytest.approx(angle_between(b, a))
    assert 0 <= angle_between(a, b) <= math.pi + 1e-12
    assert angle_between(a, c) <= angle_between(a, b) + angle_between(b, c) + 1e-9


@given(any_axis_angle, any_axis_angle)
def test_composing_undoes_the_relative_rotation(a, b):
    delta = relative_rotation(a, b)
    assert same(compose_rotation(delta, a), b, "axis_angle")
    assert np.linalg.norm(delta) == pytest.approx(angle_between(a, b, "axis_angle"), abs=1e-9)
    assert same(relative_rotation(a, compose_rotation(b, a)), b, "axis_angle")


@given(any_axis_angle, any_axis_angle)
def test_a_delta_is_in_the_base_frame(delta, state):
    target = to_matrix(compose_rotation(delta, state), "axis_angle")
    expected = to_matrix(delta, "axis_angle") @ to_matrix(state, "axis_angle")
    assert angle_between(target, expected) < 1e-9


def test_one_state_goes_with_a_chunk_of_targets():
    targets = np.linspace(-1, 1, 12).reshape(2, 2, 3)
    state = np.array([0.1, -0.2, 0.3])
    deltas = relative_rotation(state, targets)
    assert deltas.shape == targets.shape
    np.testing.assert_allclose(deltas[1, 0], relative_rotation(state, targets[1, 0]), atol=1e-15)
    np.testing.assert_allclose(compose_rotation(deltas, state), targets, atol=1e-12)
    assert angle_between(targets, state, "axis_angle").shape == (2, 2)


@pytest.mark.parametrize("target", REPRESENTATIONS)
@pytest.mark.parametrize("source", REPRESENTATIONS)
@pytest.mark.parametrize("leading", [(), (0,), (3,), (2, 3), (2, 0)])
def test_any_leading_shape_is_kept_row_by_row(source, target, leading):
    turns = np.random.default_rng(0).normal(size=(*leading, 3))
    values = convert(turns, "axis_angle", source)
    result = convert(values, source, target)
    assert result.shape == (*leading, *SHAPES[target])
    for row in np.ndindex(*leading):
        np.testing.assert_allclose(result[row], convert(values[row], source, target), atol=1e-12)


def test_tensors_lists_and_arrays_are_read_and_left_alone():
    values = np.array([[0.0, 0.0, 2.0, -2.0], [0.0, 0.0, -2.0, 2.0]])
    before = values.copy()
    expected = convert(values, "quaternion", "rotation_6d")
    np.testing.assert_array_equal(convert(values.tolist(), "quaternion", "rotation_6d"), expected)
    np.testing.assert_array_equal(convert(torch.from_numpy(values), "quaternion", "rotation_6d"), expected)
    continuous(values)
    np.testing.assert_array_equal(values, before)


GOOD = {name: convert([0.1, 0.2, 0.3], "axis_angle", name) for name in REPRESENTATIONS}


@pytest.mark.parametrize(
    ("representation", "bad", "message"),
    [
        ("quaternion", [0, 0, 0, 0], "zero"),
        ("quaternion", [1e-9, 0, 0, 1e-9], "zero"),
        ("rotation_6d", [0, 0, 0, 1, 0, 0], "zero"),
        ("rotation_6d", [1, 0, 0, 0, 0, 0], "zero"),
        ("rotation_6d", [1, 2, 3, 2, 4, 6], "parallel"),
        ("rotation_6d", [1, 2, 3, -1, -2, -3], "parallel"),
        ("rotation_6d", np.float32([0.1, 0.2, 0.3] * 2) * np.float32([1.7] * 3 + [0.3] * 3), "parallel"),
        ("matrix", np.zeros((3, 3)), "orthonormal"),
        ("matrix", 2 * np.eye(3), "orthonormal"),
        ("matrix", np.diag([1.0, 1.0, -1.0]), "right-handed"),
    ],
)
def test_what_is_no_rotation_is_refused_by_its_row(representation, bad, message):
    values = np.stack([GOOD[representation]] * 4)
    values[2] = bad
    with pytest.raises(ValueError, match=f"{message}.*row 2 is"):
        to_matrix(values, representation)
    with pytest.raises(ValueError, match=rf"{message}.*row \(1, 0\) is"):
        to_matrix(values.reshape(2, 2, *SHAPES[representation]), representation)
    with pytest.raises(ValueError, match=rf"{message}.*got \["):
        to_matrix(values[2], representation)


@pytest.mark.fault("D1")
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e200])
@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_numbers_that_are_not_finite_are_refused_by_their_row(representation, bad):
    values = np.stack([GOOD[representation]] * 3)
    values[1].flat[-1] = bad
    for call in (
        lambda: to_matrix(values, representation),
        lambda: angle_between(values, values, representation),
        lambda: angle_between(values[0], values, representation),
    ):
        with pytest.raises(ValueError, match=f"{representation} must be finite: row 1 is"):
            call()


def test_a_sequence_with_a_row_that_is_no_rotation_is_refused():
    with pytest.raises(ValueError, match="zero: row 1 is"):
        continuous([[0, 0, 0, 1], [0, 0, 0, 0]])
    with pytest.raises(ValueError, match=r"sequence.*\(4,\)"):
        continuous([0, 0, 0, 1])


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("shape", [(), (2,), (5, 7)])
def test_another_shape_is_refused(representation, shape):
    with pytest.raises(ValueError, match=f"{representation} must be"):
        to_matrix(np.zeros(shape), representation)


def test_pairs_of_other_shapes_are_refused_and_never_broadcast():
    with pytest.raises(ValueError, match="matrix must be"):
        angle_between(np.eye(3), np.zeros(3))


def test_an_unknown_representation_is_named():
    for source, target in (("quat", "matrix"), ("matrix", "quat")):
        with pytest.raises(ValueError, match="'quat' is none of"):
            convert(np.eye(3), source, target)
