"""The target of HL-Gauss is the mass of a Gaussian round the value before it was cut. V tokens."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.hl_gauss import HLGaussLoss
from dist2_robot.tokenizers.uniform import UniformTokenizer

UNEVEN = TokenPoints.of_values(torch.tensor([0.0, 0.5, 0.7, 2.0, 3.5, 3.6]))
RING = TokenPoints.of_values(torch.arange(6.0), period=6.0)
values = st.floats(-10, 10)
sigmas = st.floats(0.05, 20)


def target(points, value, **options):
    """Return the target (V,) of one value."""
    loss = HLGaussLoss(points, **options).double()
    values = torch.full((1,), value, dtype=torch.float64)
    return loss.target(torch.zeros(1, dtype=torch.long), values)[0]


def normal(x):
    return (1 + math.erf(x / math.sqrt(2))) / 2


@given(values, sigmas)
def test_it_equals_its_closed_form(value, sigma):
    edges = UNEVEN.edges[0].tolist()
    near = min(max(value, edges[0]), edges[-1])
    mass = [normal((high - near) / sigma) - normal((low - near) / sigma) for low, high in pairwise(edges)]
    expected = [m / sum(mass) for m in mass]
    assert target(UNEVEN, value, sigma=sigma, unit="tolerance").tolist() == pytest.approx(expected, abs=1e-5)


@given(values, sigmas, st.sampled_from([UNEVEN, RING]))
def test_it_adds_up_to_one(value, sigma, points):
    mass = target(points, value, sigma=sigma)
    assert mass.sum().item() == pytest.approx(1, abs=1e-6)
    assert (mass >= 0).all()


@given(values, sigmas)
def test_on_a_circle_it_goes_round(value, sigma):
    edges = RING.edges[0].tolist()
    mass = [
        sum(normal((high - value + 6 * k) / sigma) - normal((low - value + 6 * k) / sigma) for k in range(-200, 201))
        for low, high in pairwise(edges)
    ]
    assert target(RING, value, sigma=sigma).tolist() == pytest.approx(mass, abs=1e-5)
    assert torch.allclose(target(RING, value + 6, sigma=sigma), target(RING, value, sigma=sigma), atol=1e-5)
    assert torch.allclose(target(RING, value + 1, sigma=sigma), target(RING, value, sigma=sigma).roll(1), atol=1e-5)


@given(st.floats(0.5, 4.5))
def test_its_mean_follows_the_value_within_a_bin(value):
    points = TokenPoints.of_values(torch.arange(-10.0, 16.0))
    mean = (target(points, value) * points.points[0, :, 0]).sum().item()
    assert mean == pytest.approx(value, abs=1e-2)  # at sigma .75 bins the ripple of the bins is a thousandth of one


def test_sigma_is_counted_in_mean_bin_widths_or_tolerances():
    width = (UNEVEN.edges[0, -1] - UNEVEN.edges[0, 0]).item() / 6
    in_bins = target(UNEVEN, 1.3, sigma=0.5)
    assert torch.allclose(in_bins, target(UNEVEN, 1.3, sigma=0.5 * width, unit="tolerance"), atol=1e-6)
    assert not torch.allclose(in_bins, target(UNEVEN, 1.3, sigma=0.5, unit="tolerance"), atol=1e-2)


def test_a_narrow_target_is_one_hot_at_the_token_of_the_value():
    spec = ActionSpec((ActionDimension("x", "joint", "rad", -2.0, 3.0),), "absolute", 30.0, "file")
    tokenizer = UniformTokenizer(spec, horizon=1, bins=64)
    actions = torch.rand(50, 1, 1) * 5 - 2
    soft = HLGaussLoss(tokenizer.points(), sigma=1e-3).target(tokenizer.encode(actions), tokenizer.to_values(actions))
    assert torch.equal(soft.argmax(-1), tokenizer.encode(actions))


def test_without_values_it_takes_those_of_the_tokens():
    loss = HLGaussLoss(UNEVEN)
    tokens = torch.arange(6)
    assert torch.equal(loss.target(tokens), loss.target(tokens, UNEVEN.points[0, :, 0].float()))


def test_values_are_those_of_the_action_whatever_the_tolerance():
    fine = replace(UNEVEN, tolerances=torch.tensor([0.01], dtype=torch.float64))
    assert torch.allclose(target(fine, 0.013), target(UNEVEN, 1.3), atol=1e-6)


def test_a_range_far_from_zero_loses_no_precision():
    far = TokenPoints.of_values(torch.arange(6.0, dtype=torch.float64) + 1e6)
    assert torch.allclose(target(far, 1e6 + 1.3), target(TokenPoints.of_values(torch.arange(6.0)), 1.3), atol=1e-6)


def test_a_position_that_has_fewer_tokens_has_a_target_of_fewer():
    valid = torch.tensor([[True] * 4 + [False] * 2])
    some = replace(UNEVEN, valid=valid, edges=UNEVEN.edges.clone())
    some.edges[0, 5:] = torch.tensor([1e3, math.nan])
    four = TokenPoints.of_values(UNEVEN.points[0, :4, 0])
    four.edges[0] = UNEVEN.edges[0, :5]
    for value in (-1.0, 0.6, 2.3, 9.0):
        mass = target(some, value)
        assert torch.allclose(mass[:4], target(four, value), atol=1e-6)
        assert not mass[4:].any()


@pytest.mark.parametrize(
    ("options", "what"), [({"sigma": 0.0}, "sigma"), ({"sigma": math.nan}, "sigma"), ({"unit": "m"}, "bins")]
)
def test_options_that_mean_nothing_are_refused(options, what):
    with pytest.raises(ValueError, match=what):
        HLGaussLoss(UNEVEN, **options)


def test_tokens_without_order_are_refused():
    with pytest.raises(ValueError, match="loss=dist2"):
        HLGaussLoss(TokenPoints(torch.randn(1, 6, 3).double(), torch.tensor([0])))
