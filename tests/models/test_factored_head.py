"""Laws of the factored head: token embeddings are a function of where a token lies."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.points import TokenPoints
from dist2_robot.models.factored_head import FactoredHead, fourier_features

WIDTH = 8
EVEN = TokenPoints.of_values(torch.linspace(-1, 1, 64))


def inf(rows=1):
    return torch.full((rows, 1), math.inf, dtype=torch.float64)


@given(st.integers(0, 2**31))
def test_the_order_in_which_codes_are_listed_does_not_matter(seed):
    generator = torch.Generator().manual_seed(seed)
    codes, order = torch.randn(1, 20, 4, generator=generator).double(), torch.randperm(20, generator=generator)
    head = FactoredHead(WIDTH, TokenPoints(codes, torch.zeros(3, dtype=torch.long)))
    other = FactoredHead(WIDTH, TokenPoints(codes[:, order], torch.zeros(3, dtype=torch.long)))
    other.load_state_dict(head.state_dict())
    x = torch.randn(2, 3, WIDTH)
    assert torch.allclose(other(x), head(x)[..., order], atol=1e-5)


def test_tokens_at_the_same_place_have_the_same_logit():
    codes = torch.randn(1, 20, 4).double()
    codes[:, 7] = codes[:, 3]
    logits = FactoredHead(WIDTH, TokenPoints(codes, torch.zeros(3, dtype=torch.long)))(torch.randn(2, 3, WIDTH))
    assert torch.allclose(logits[..., 7], logits[..., 3], atol=1e-6)
    assert (logits[..., 7] - logits[..., 4]).abs().min() > 1e-6


def test_a_trained_head_knows_tokens_that_it_never_saw():
    """Told a density at every fourth token it gets those between right; their logits are free with a free head."""
    head = FactoredHead(WIDTH, EVEN, frequencies=4)
    x, values = torch.ones(1, 1, WIDTH), EVEN.points[0, :, 0].float()
    wanted = -((values - 0.2) ** 2) / (2 * 0.3**2)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(250):
        optimizer.zero_grad()
        (head(x)[0, 0] - wanted)[::4].square().mean().backward()
        optimizer.step()
    error = (head(x)[0, 0] - wanted).abs()[:61]
    assert error.max() < 0.5  # of a curve that falls by 8


@given(st.floats(-2, 2), st.floats(1e-4, 1e-2), st.integers(1, 8))
def test_features_of_near_places_are_near(place, step, frequencies):
    """The fastest wave turns by no more than ``2^(J-1) w`` a unit, so neither do the features."""
    x = torch.tensor([place, place + step], dtype=torch.float64)[None, :, None]
    features = fourier_features(x, frequencies, inf())[0]
    fastest = math.pi / 2 * 2 ** (frequencies - 1)
    assert (features[1] - features[0]).abs().max() <= fastest * step * (1 + 1e-9)


@given(st.floats(-1, 1), st.floats(0.5, 4), st.integers(1, 8))
def test_features_repeat_after_a_period_and_not_within_the_range(place, period, frequencies):
    x = torch.tensor([place, place + period, place + period / 2], dtype=torch.float64)[None, :, None]
    here, round_the_circle, opposite = fourier_features(x, frequencies, torch.tensor([[period]], dtype=torch.float64))[
        0
    ]
    assert torch.allclose(here, round_the_circle, atol=1e-9)
    assert (here - opposite).abs().max() > 0.5
    ends = fourier_features(torch.tensor([[[-1.0], [1.0]]]).double(), frequencies, inf())[0]
    assert (ends[0] - ends[1]).abs().max() > 0.5


@pytest.mark.parametrize("wraps", [True, False])
def test_both_ends_are_neighbours_only_on_a_circle(wraps):
    points = replace(EVEN, periods=torch.tensor([2 * 64 / 63 if wraps else math.inf]).double())
    waves = FactoredHead(WIDTH, points).waves[0]
    between_ends, between_neighbours = (waves[0] - waves[63]).norm(), (waves[0] - waves[1]).norm()
    assert bool(between_ends < 1.01 * between_neighbours) is wraps


@pytest.mark.parametrize("arguments", [{"frequencies": 0}, {"hidden": 0}])
def test_nothing_to_embed_with_is_refused(arguments):
    with pytest.raises(ValueError, match="at least 1"):
        FactoredHead(WIDTH, EVEN, **arguments)
