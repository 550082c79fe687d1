"""The cosine transform of a chunk. T steps, K coefficients."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.tokenizers.dct import DctTokenizer

X = ActionDimension("x", "ee_position", "cm", -1.0, 3.0, tolerance=0.05)
YAW = ActionDimension("yaw", "ee_rotation", "rad", -math.pi, math.pi, wraps=True)
steps = st.integers(1, 16)


def make(dimension=X, horizon=8, bins=64, coefficients=None):
    return DctTokenizer(ActionSpec((dimension,), "absolute", 10.0, "file"), horizon, bins, coefficients)


def chunks(horizon, count=50):
    return 1 + (torch.rand(count, horizon, 1, dtype=torch.float64) - 0.5)


@given(steps)
def test_coefficients_are_those_of_the_orthonormal_dct_2(horizon):
    actions, n = chunks(horizon), torch.arange(horizon, dtype=torch.float64)
    cosines = torch.cos(math.pi * n[:, None] * (n + 0.5) / horizon)  # (K, T)
    scale = torch.where(n == 0, 1 / horizon, 2 / horizon).sqrt()
    expected = torch.einsum("kt,bta->bk", scale[:, None] * cosines, actions)
    assert torch.allclose(make(horizon=horizon).to_values(actions), expected)


@given(steps, st.sampled_from([-1.0, 1.0]))
def test_where_all_coefficients_err_by_their_tolerance_the_steps_do_too(horizon, sign):
    """As root mean square, with all coefficients or with some."""
    for kept in range(1, horizon + 1):
        tokenizer = make(horizon=horizon, coefficients=kept)
        values = tokenizer.to_values(torch.full((1, horizon, 1), 1.0, dtype=torch.float64))
        tolerances = tokenizer.points().tolerances * torch.tensor([sign, 1.0]).repeat(kept)[:kept]
        error = tokenizer.to_actions(values + tolerances) - tokenizer.to_actions(values)
        assert error.square().mean().sqrt().item() == pytest.approx(X.tolerance)


@given(steps, st.sampled_from([2, 16, 256, 4096]))
def test_steps_err_no_more_than_coefficients_do(horizon, bins):
    """Their squared errors have the same sum, so with all coefficients and fine bins nothing is lost."""
    tokenizer, actions = make(horizon=horizon, bins=bins), chunks(horizon)
    tokenizer.fit(actions)
    error = (tokenizer.decode(tokenizer.encode(actions)) - actions).square().sum(dim=(1, 2))
    points = tokenizer.points()
    half = points.edges.diff(dim=1)[:, 0] / 2 * points.tolerances
    assert (error.sqrt() <= half.square().sum().sqrt() + 1e-6).all()
    if bins == 4096:
        assert error.max().sqrt() < 0.01


def test_slow_movements_need_few_coefficients():
    time = torch.linspace(0, 1, 16, dtype=torch.float64)[:, None]
    start, swing = torch.rand(2, 100, 1, 1, dtype=torch.float64)
    slow = start + swing * torch.cos(math.pi * time)
    tokenizer = make(horizon=16, bins=256, coefficients=4)
    tokenizer.fit(slow)
    assert (tokenizer.decode(tokenizer.encode(slow)) - slow).abs().max() < 0.03


def test_the_mean_of_a_chunk_wraps_and_the_ends_of_its_circle_are_neighbours():
    tokenizer = make(YAW)
    wiggle = 0.1 * torch.randn(1, 8, 1, dtype=torch.float64)
    wiggle -= wiggle.mean()
    below, above = tokenizer.encode(math.pi - 1e-6 + wiggle), tokenizer.encode(-math.pi + 1e-6 + wiggle)
    assert (below[0, 0].item(), above[0, 0].item()) == (63, 0)
    assert torch.equal(below[:, 1:], above[:, 1:])
    table = tokenizer.distances(AbsoluteDistance("bins"))
    assert table.distances[0, 0, 63].item() == pytest.approx(table.distances[0, 0, 1].item(), rel=1e-4)
    assert tokenizer.periods()[0].item() == pytest.approx(2 * math.pi * math.sqrt(8))
    assert not tokenizer.periods()[1:].isfinite().any()


def test_fitting_leaves_the_mean_of_an_angle_its_whole_circle():
    tokenizer = make(YAW)
    tokenizer.fit(0.2 * chunks(8))
    assert tokenizer.points().edges[0, [0, -1]].tolist() == pytest.approx([-50 * math.sqrt(8), 50 * math.sqrt(8)])
    far = math.pi + chunks(8) * 0.01
    error = tokenizer.decode(tokenizer.encode(far)).double() - far
    assert (torch.remainder(error + math.pi, 2 * math.pi) - math.pi).abs().max() < 2 * math.pi / 64
