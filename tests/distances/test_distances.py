"""Axioms and closed forms of the distances between two values."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.circular import CircularDistance
from dist2_robot.distances.difference import difference
from dist2_robot.distances.euclidean import EuclideanDistance
from dist2_robot.distances.geodesic import GeodesicDistance
from dist2_robot.distances.huber import HuberDistance
from dist2_robot.distances.lattice import LatticeDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.target import soft_targets

METRICS = [AbsoluteDistance(), EuclideanDistance(), GeodesicDistance(), LatticeDistance()]
SQUARES = [SquaredDistance(), HuberDistance(2.0), CircularDistance(), EuclideanDistance(squared=True)]
DISTANCES = [*METRICS, *SQUARES]
PERIODS = [None, 2 * math.pi, 360.0]

values = st.floats(-500, 500)
periods = st.sampled_from(PERIODS)


def call(distance, a, b, period):
    return distance(torch.tensor([a], dtype=torch.float64), torch.tensor([b], dtype=torch.float64), period).item()


@pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.name)
@given(values, values, periods)
def test_a_distance_is_symmetric_not_negative_and_zero_to_itself(distance, a, b, period):
    there, back = call(distance, a, b, period), call(distance, b, a, period)
    assert there == pytest.approx(back, abs=1e-8)
    assert there >= 0
    assert call(distance, a, a, period) == 0


@pytest.mark.parametrize("d", METRICS, ids=lambda d: d.name)
@given(values, values, values, periods)
def test_no_way_round_is_shorter_than_a_metric(d, a, b, c, period):
    assert call(d, a, c, period) <= call(d, a, b, period) + call(d, b, c, period) + 1e-9


@pytest.mark.parametrize("d", SQUARES, ids=lambda d: d.name)
def test_squares_break_the_triangle_inequality(d):
    assert call(d, 0.0, 2.0, None) > call(d, 0.0, 1.0, None) + call(d, 1.0, 2.0, None)


@given(values, values)
def test_without_a_period_distances_equal_their_closed_forms(a, b):
    assert call(AbsoluteDistance(), a, b, None) == abs(a - b)
    assert call(EuclideanDistance(), a, b, None) == abs(a - b)
    assert call(GeodesicDistance(), a, b, None) == abs(a - b)
    assert call(LatticeDistance(), a, b, None) == abs(a - b)
    for square in (SquaredDistance(), CircularDistance(), EuclideanDistance(squared=True)):
        assert call(square, a, b, None) == pytest.approx((a - b) ** 2, rel=1e-12)


@given(st.floats(-7, 7), st.floats(-7, 7), st.integers(-3, 3))
def test_the_chord_is_the_distance_of_two_points_on_the_circle(a, b, turns):
    on_plane = math.dist((math.cos(a), math.sin(a)), (math.cos(b), math.sin(b)))
    turned = a + 2 * math.pi * turns
    assert call(AbsoluteDistance(), turned, b, 2 * math.pi) == pytest.approx(on_plane, abs=1e-9)


@given(values, values, st.integers(-3, 3))
def test_whole_turns_make_no_difference(a, b, turns):
    for d in DISTANCES:
        assert call(d, a + 360.0 * turns, b, 360.0) == pytest.approx(call(d, a, b, 360.0), abs=1e-6)


@pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.name)
def test_the_ends_of_a_circle_are_one_place(distance):
    assert call(distance, -math.pi, math.pi, 2 * math.pi) == pytest.approx(0, abs=1e-9)
    near, far = call(distance, -math.pi + 0.1, math.pi - 0.1, 2 * math.pi), call(distance, 0.0, 0.2, 2 * math.pi)
    assert near == pytest.approx(far)


@given(values, values, st.sampled_from(PERIODS[1:]))
def test_the_short_way_round_is_half_a_turn_at_most(a, b, period):
    delta = difference(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64), period).item()
    assert -period / 2 <= delta <= period / 2
    # It still leads from b to a, up to whole turns.
    assert math.remainder(b + delta - a, period) == pytest.approx(0, abs=1e-9)


@given(st.floats(1e-6, 0.05))
def test_near_by_the_chord_is_the_arc(step):
    arc = step * 2 * math.pi
    assert call(AbsoluteDistance(), 1.0, 1.0 + arc, 2 * math.pi) == pytest.approx(arc, rel=0.005)


@given(values, values, periods, st.floats(0.01, 1000))
def test_huber_is_the_square_up_to_delta_and_its_tangent_beyond(a, b, period, delta):
    length = call(GeodesicDistance(), a, b, period)
    expected = length**2 if length <= delta else delta**2 + 2 * delta * (length - delta)
    assert call(HuberDistance(delta), a, b, period) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(values, values, st.sampled_from(PERIODS[1:]))
def test_the_circular_distance_is_the_squared_chord(a, b, period):
    chord = call(AbsoluteDistance(), a, b, period)
    assert call(CircularDistance(), a, b, period) == pytest.approx(chord**2, rel=1e-9, abs=1e-9)


@given(values, values, st.sampled_from(PERIODS[1:]))
def test_the_geodesic_distance_of_angles_is_the_short_way_round(a, b, period):
    arc = abs(math.remainder(a - b, period))
    assert call(GeodesicDistance(tolerance_rad=7.0), a, b, period) == pytest.approx(arc, abs=1e-9)


@pytest.mark.parametrize("tau", [0.5, 2.0, 200.0])
def test_the_target_of_the_circular_distance_is_a_von_mises_distribution(tau):
    period, tokens = 64.0, 64
    table = TokenPoints.of_values(torch.arange(float(tokens)), period).distances(CircularDistance())
    kappa = period**2 / (2 * math.pi**2 * tau)
    angles = 2 * math.pi * torch.arange(tokens, dtype=torch.float64) / tokens
    for true_token in (0, 17):
        expected = torch.softmax(kappa * torch.cos(angles - angles[true_token]), dim=0)
        assert torch.allclose(soft_targets(table, tau)[0, true_token], expected, rtol=1e-3, atol=1e-7)


def test_the_target_of_the_huber_distance_has_the_tails_of_a_laplace_distribution():
    table = TokenPoints.of_values(torch.arange(101.0)).distances(HuberDistance(3.0))
    log_target = soft_targets(table, 2.0)[0, 50].log()
    assert torch.allclose(log_target[54:].diff(), torch.tensor(-2 * 3.0 / 2.0).double())  # scale tau / (2 delta)
    assert torch.allclose(log_target[48:53], log_target[50] - (torch.arange(48, 53) - 50.0).double().square() / 2.0)


@pytest.mark.parametrize("delta", [0.0, -1.0, math.inf, math.nan])
def test_huber_needs_a_place_where_it_turns_linear(delta):
    with pytest.raises(ValueError, match="delta must be positive and finite"):
        HuberDistance(delta)


@pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.name)
def test_near_by_a_distance_is_the_stated_power_of_a_length(distance):
    once, twice = call(distance, 0.0, 0.01, 360.0), call(distance, 0.0, 0.02, 360.0)
    assert twice / once == pytest.approx(2**distance.power, rel=1e-5)


@pytest.mark.parametrize("cls", [AbsoluteDistance, SquaredDistance])
def test_a_distance_is_measured_in_tolerances_or_bins(cls):
    assert cls().unit == "tolerance"
    assert cls("bins").unit == "bins"
    with pytest.raises(ValueError, match="not in 'rad'"):
        cls("rad")
