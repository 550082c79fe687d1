"""Bins of equal mass under a normal distribution."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.tokenizers.gaussian import GaussianTokenizer
from dist2_robot.tokenizers.quantile import UNIFORM_SHARE
from dist2_robot.tokenizers.uniform import uniform_edges

SPEC = ActionSpec(
    (ActionDimension("x", "ee_position", "cm", -4.0, 6.0), ActionDimension("y", "ee_position", "cm", 0.0, 1.0)),
    "delta",
    10.0,
    "file",
)


def fitted(actions, bins=32):
    tokenizer = GaussianTokenizer(SPEC, horizon=actions.shape[1], bins=bins)
    tokenizer.fit(actions)
    return tokenizer


def normal_actions(count=20000):
    """Return chunks (N, 1, 2): x is normal and seldom near a limit, y is normal and cut off at its lower limit."""
    return torch.randn(count, 1, 2, dtype=torch.float64) * torch.tensor([1.0, 0.2]) + torch.tensor([1.0, 0.05])


def test_edges_are_quantiles_of_the_fitted_normal_distribution():
    actions = normal_actions()
    tokenizer, columns = fitted(actions), actions[:, 0].clamp(torch.tensor([-4.0, 0.0]), torch.tensor([6.0, 1.0]))
    quantiles = (tokenizer.edges - UNIFORM_SHARE * uniform_edges(SPEC, 32)) / (1 - UNIFORM_SHARE)
    normal = Normal(columns.mean(dim=0)[:, None], columns.std(dim=0, correction=0)[:, None])
    mass = normal.cdf(quantiles[:, 1:-1]).diff(dim=1)
    inside = normal.cdf(torch.tensor([[6.0], [1.0]])) - normal.cdf(torch.tensor([[-4.0], [0.0]]))
    assert torch.allclose(mass, (inside / 32).expand_as(mass), rtol=1e-5)


def test_normal_actions_fill_all_bins_alike():
    actions = normal_actions()
    counts = torch.bincount(fitted(actions, bins=8).encode(actions)[:, 0], minlength=8) / len(actions)
    assert (counts > 0.6 / 8).all()  # not to the letter: 5 % of the spacing is uniform
    assert (counts < 1.4 / 8).all()


def test_bins_are_finest_at_the_mean():
    tokenizer = fitted(normal_actions())
    widths = tokenizer.edges.diff(dim=1)[0]
    finest = tokenizer.centres()[0, widths.argmin()]
    assert finest.item() == pytest.approx(1.0, abs=0.2)
    assert widths.max() > 5 * widths.min()


@given(st.sampled_from([0.0, 1e-9, 0.25, 0.5, 1.0]), st.floats(0, 1e-7))
def test_a_dimension_that_hardly_moves_is_met_closely_and_keeps_its_limits(value, jitter):
    still = torch.full((100, 1, 2), value, dtype=torch.float64)
    still[::2] += jitter
    tokenizer = fitted(still)
    decoded = tokenizer.decode(tokenizer.encode(still)).double()
    assert (decoded - still).abs()[..., 1].max() < 0.05 / 32
    assert tokenizer.edges[:, [0, -1]].tolist() == [[-4.0, 6.0], [0.0, 1.0]]


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=6))
def test_any_data_gives_bins_within_the_limits(numbers):
    tokenizer = fitted(torch.tensor(numbers, dtype=torch.float64).view(-1, 1, 1).expand(-1, 1, 2))
    assert (tokenizer.edges.diff(dim=1) > 0).all()
    assert tokenizer.edges[:, [0, -1]].tolist() == [[-4.0, 6.0], [0.0, 1.0]]


def test_before_fit_bins_are_equal():
    assert torch.equal(GaussianTokenizer(SPEC, 1, 16).edges, uniform_edges(SPEC, 16))


def test_values_beyond_the_seam_of_a_circle_are_brought_round_before_they_are_fitted():
    spec = ActionSpec((ActionDimension("yaw", "joint", "rad", -math.pi, math.pi, wraps=True),), "absolute", 1.0, "file")
    angles = torch.randn(100, 1, 1, dtype=torch.float64) * 0.3 + 1.0
    turned, plain = GaussianTokenizer(spec, 1, 16), GaussianTokenizer(spec, 1, 16)
    turned.fit(angles + 2 * math.pi)
    plain.fit(angles)
    assert torch.allclose(turned.edges, plain.edges)
