"""Axioms and closed forms of the distances between two values."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.difference import difference
from dist2_robot.distances.squared import SquaredDistance

DISTANCES = [AbsoluteDistance(), SquaredDistance()]
PERIODS = [None, 2 * math.pi, 360.0]

values = st.floats(-500, 500)
periods = st.sampled_from(PERIODS)


def call(distance, a, b, period):
    return distance(torch.tensor([a], dtype=torch.float64), torch.tensor([b], dtype=torch.float64), period).item()


@pytest.mark.parametrize("distance", DISTANCES)
@given(values, values, periods)
def test_a_distance_is_symmetric_not_negative_and_zero_to_itself(distance, a, b, period):
    there, back = call(distance, a, b, period), call(distance, b, a, period)
    assert there == pytest.approx(back, abs=1e-8)
    assert there >= 0
    assert call(distance, a, a, period) == 0


@given(values, values, values, periods)
def test_no_way_round_is_shorter_than_the_absolute_distance(a, b, c, period):
    d = AbsoluteDistance()
    assert call(d, a, c, period) <= call(d, a, b, period) + call(d, b, c, period) + 1e-9


def test_the_squared_distance_breaks_the_triangle_inequality():
    d = SquaredDistance()
    assert call(d, 0.0, 2.0, None) > call(d, 0.0, 1.0, None) + call(d, 1.0, 2.0, None)


@given(values, values)
def test_without_a_period_distances_equal_their_closed_forms(a, b):
    assert call(AbsoluteDistance(), a, b, None) == abs(a - b)
    assert call(SquaredDistance(), a, b, None) == pytest.approx((a - b) ** 2, rel=1e-12)


@given(st.floats(-7, 7), st.floats(-7, 7), st.integers(-3, 3))
def test_the_chord_is_the_distance_of_two_points_on_the_circle(a, b, turns):
    on_plane = math.dist((math.cos(a), math.sin(a)), (math.cos(b), math.sin(b)))
    turned = a + 2 * math.pi * turns
    assert call(AbsoluteDistance(), turned, b, 2 * math.pi) == pytest.approx(on_plane, abs=1e-9)


@given(values, values, st.integers(-3, 3))
def test_whole_turns_make_no_difference(a, b, turns):
    for d in DISTANCES:
        assert call(d, a + 360.0 * turns, b, 360.0) == pytest.approx(call(d, a, b, 360.0), abs=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
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


@pytest.mark.parametrize("cls", [AbsoluteDistance, SquaredDistance])
def test_a_distance_is_measured_in_tolerances_or_bins(cls):
    assert cls().unit == "tolerance"
    assert cls("bins").unit == "bins"
    with pytest.raises(ValueError, match="not in 'rad'"):
        cls("rad")
