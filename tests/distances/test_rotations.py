"""The geodesic distance of unit quaternions is the angle of the rotation from one to the other."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.spatial.transform import Rotation

from dist2_robot.distances.chordal import ChordalDistance
from dist2_robot.distances.distance_error import DistanceError
from dist2_robot.distances.geodesic import GeodesicDistance
from dist2_robot.distances.points import TokenPoints

RADIANS = GeodesicDistance(tolerance_rad=1.0)
seeds = st.integers(0, 2**32 - 1)


def rotations(seed, count):
    return Rotation.random(count, rng=seed)


def quaternions(rotation):
    return torch.from_numpy(rotation.as_quat())


@given(seeds)
def test_it_is_the_angle_of_the_rotation_between(seed):
    a, b = rotations(seed, 2)
    expected = (a.inv() * b).magnitude()
    assert RADIANS(quaternions(a), quaternions(b)).item() == pytest.approx(expected, abs=1e-12)
    assert RADIANS(quaternions(b), quaternions(a)).item() == pytest.approx(expected, abs=1e-12)


@given(seeds)
def test_a_quaternion_and_its_negative_are_one_rotation(seed):
    a, b = quaternions(rotations(seed, 2))
    assert RADIANS(a, -a).item() == 0
    assert RADIANS(a, -b).item() == RADIANS(a, b).item()


@given(seeds)
def test_no_way_round_is_shorter(seed):
    a, b, c = quaternions(rotations(seed, 3))
    assert RADIANS(a, c) <= RADIANS(a, b) + RADIANS(b, c) + 1e-12


@given(seeds)
def test_turning_both_changes_nothing(seed):
    a, b, turn = rotations(seed, 3)
    expected = RADIANS(quaternions(a), quaternions(b)).item()
    assert RADIANS(quaternions(turn * a), quaternions(turn * b)).item() == pytest.approx(expected, abs=1e-9)
    assert RADIANS(quaternions(a * turn), quaternions(b * turn)).item() == pytest.approx(expected, abs=1e-9)


@given(st.floats(1e-14, math.pi))
def test_it_is_exact_for_small_angles(angle):
    turned = torch.tensor([math.sin(angle / 2), 0.0, 0.0, math.cos(angle / 2)], dtype=torch.float64)
    identity = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64)
    assert RADIANS(turned, identity).item() == pytest.approx(angle, rel=1e-9)


@given(seeds, st.floats(0.01, 10))
def test_the_tolerance_divides_the_angle(seed, tolerance):
    a, b = quaternions(rotations(seed, 2))
    assert GeodesicDistance(tolerance)(a, b).item() == pytest.approx(RADIANS(a, b).item() / tolerance)


def test_tokens_that_are_rotations_have_a_table():
    points = TokenPoints(quaternions(rotations(0, 30))[None], torch.tensor([0]))
    table = points.distances(GeodesicDistance(0.1)).distances[0]
    assert table[3, 7].item() == pytest.approx(RADIANS(points.points[0, 3], points.points[0, 7]).item() / 0.1, rel=1e-6)
    assert table.max() <= math.pi / 0.1 + 1e-4


def test_what_rounding_leaves_of_a_length_is_no_angle():
    a, b = quaternions(rotations(1, 2))
    assert RADIANS(a, a * (1 + 9e-5)).item() == pytest.approx(0, abs=1e-14)
    assert RADIANS(a * (1 - 9e-5), b).item() == pytest.approx(RADIANS(a, b).item(), abs=1e-14)


def test_32_bits_are_enough_for_a_unit_quaternion():
    a, b = quaternions(rotations(1, 2))
    assert RADIANS(a.float(), b.float()).item() == pytest.approx(RADIANS(a, b).item(), abs=1e-5)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (torch.eye(4)[:3] * 1.1, "has length 1.1"),
        (torch.zeros(2, 4), "has length 0"),
        (torch.full((2, 4), math.nan), "has length nan"),
        (torch.eye(3), "have 3: use distance=euclidean"),
        (torch.eye(2), "have 2: use distance=euclidean"),
    ],
)
def test_points_that_are_no_rotations_are_refused_in_one_line(points, message):
    with pytest.raises(DistanceError, match=rf"^[^\n]*{message}"):
        TokenPoints(points[None].double(), torch.tensor([0])).distances(RADIANS)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, math.inf, math.nan])
def test_a_tolerance_is_positive(tolerance):
    with pytest.raises(ValueError, match="tolerance_rad must be positive and finite"):
        GeodesicDistance(tolerance)


@pytest.mark.parametrize("degree", range(1, 7))
def test_the_angle_has_the_stated_coefficients_in_characters(degree):
    def integrand(angle):
        character = math.sin((degree + 0.5) * angle) / math.sin(angle / 2)
        return angle * character * (1 - math.cos(angle)) / math.pi  # the Haar measure of the angle

    coefficient = quad(integrand, 0, math.pi)[0]
    expected = -2 / (math.pi * degree**2) if degree % 2 else 2 / (math.pi * (degree + 1) ** 2)
    assert coefficient == pytest.approx(expected, abs=1e-9)


CHORD = ChordalDistance(tolerance_rad=1.0)


@given(seeds)
def test_the_chord_is_that_of_the_rotation_matrices(seed):
    a, b = rotations(seed, 2)
    expected = math.dist(a.as_matrix().flatten(), b.as_matrix().flatten()) / math.sqrt(2)
    assert CHORD(quaternions(a), quaternions(b)).item() == pytest.approx(expected, abs=1e-12)
    assert CHORD(quaternions(a), -quaternions(b)).item() == pytest.approx(expected, abs=1e-12)


@given(seeds)
def test_the_chord_is_the_angle_where_that_is_small(seed):
    a, b = rotations(seed, 2)
    near = a * Rotation.from_rotvec(1e-3 * b.as_rotvec())
    arc = RADIANS(quaternions(a), quaternions(near)).item()
    assert CHORD(quaternions(a), quaternions(near)).item() == pytest.approx(arc, rel=1e-5)


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(0.1, 9))
def test_of_angles_it_is_the_chord_of_their_circle(a, b, period):
    turn = 2 * math.pi / period
    on_circle = [period / (2 * math.pi) * torch.tensor([math.cos(turn * x), math.sin(turn * x)]) for x in (a, b)]
    points = [torch.tensor([x], dtype=torch.float64) for x in (a, b)]
    assert CHORD(*points, period).item() == pytest.approx(math.dist(*on_circle), abs=1e-4 * period)


def test_a_chord_needs_angles_or_unit_quaternions():
    with pytest.raises(DistanceError, match="unit quaternions"):
        CHORD(torch.ones(4), torch.ones(4))
    with pytest.raises(DistanceError, match="3: use distance=euclidean"):
        CHORD(torch.ones(3), torch.ones(3))
