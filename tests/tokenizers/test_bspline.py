"""Splines through a chunk. T steps, K control points."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.tokenizers.bspline import BsplineTokenizer, spline_basis

X = ActionDimension("x", "ee_position", "cm", -1.0, 3.0, tolerance=0.05)
shapes = st.integers(1, 20).flatmap(lambda steps: st.tuples(st.just(steps), st.integers(1, steps)))


def make(horizon=12, bins=64, control_points=None):
    return BsplineTokenizer(ActionSpec((X,), "absolute", 10.0, "file"), horizon, bins, control_points)


def polynomials(degree, horizon, count=50):
    """Return chunks (N, T, 1) that are polynomials of time, within the limits."""
    time = torch.linspace(-1, 1, horizon, dtype=torch.float64)
    factors = torch.rand(count, degree + 1, dtype=torch.float64) - 0.5
    return 1 + (factors @ torch.stack([time**p for p in range(degree + 1)]) * 1.9 / (degree + 1))[..., None]


@given(shapes)
def test_steps_are_weighted_means_of_control_points_which_all_count(shape):
    weights = spline_basis(*shape)
    assert (weights >= 0).all()
    assert torch.allclose(weights.sum(dim=1), torch.ones(shape[0], dtype=torch.float64))
    assert torch.linalg.matrix_rank(weights) == shape[1]


@given(shapes)
def test_the_curve_begins_at_the_first_control_point_and_ends_at_the_last(shape):
    steps, count = shape
    if steps > 1 and count > 1:
        weights = spline_basis(*shape)
        assert weights[0].tolist() == [1.0] + [0.0] * (count - 1)
        assert weights[-1].tolist() == [0.0] * (count - 1) + [1.0]


@given(shapes)
def test_polynomials_of_its_degree_are_followed_exactly(shape):
    steps, count = shape
    tokenizer, actions = make(steps, control_points=count), polynomials(min(3, count - 1), steps)
    assert torch.allclose(tokenizer.to_actions(tokenizer.to_values(actions)), actions)


@given(shapes, st.sampled_from([4, 64, 1024]))
def test_steps_err_no_more_than_the_worst_control_point(shape, bins):
    steps, count = shape
    tokenizer, actions = make(steps, bins, count), polynomials(min(3, count - 1), steps)
    tokenizer.fit(actions)
    points = tokenizer.points()
    half = (points.edges.diff(dim=1)[:, 0] / 2 * points.tolerances).max()
    assert (tokenizer.decode(tokenizer.encode(actions)) - actions).abs().max() <= half + 1e-6


@given(shapes)
def test_where_all_control_points_err_by_their_tolerance_so_does_every_step(shape):
    tokenizer = make(shape[0], control_points=shape[1])
    values = tokenizer.to_values(torch.full((1, shape[0], 1), 1.0, dtype=torch.float64))
    error = tokenizer.to_actions(values + tokenizer.points().tolerances) - tokenizer.to_actions(values)
    assert torch.allclose(error, torch.full_like(error, X.tolerance))


def test_half_as_many_numbers_follow_a_swing_that_is_smooth():
    time = torch.linspace(0, 1, 16, dtype=torch.float64)[:, None]
    phase = 2 * math.pi * torch.rand(200, 1, 1, dtype=torch.float64)
    swing = 1 + 1.5 * torch.sin(2 * math.pi * time + phase)
    tokenizer = make(horizon=16, bins=256)
    assert tokenizer.tokens_per_chunk == 8
    tokenizer.fit(swing)
    assert (tokenizer.decode(tokenizer.encode(swing)) - swing).abs().max() < 0.02 * 1.5


@pytest.mark.parametrize(("horizon", "count"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (8, 4), (9, 5), (50, 25)])
def test_by_default_there_are_half_as_many_control_points_as_steps(horizon, count):
    assert make(horizon).tokens_per_chunk == count
