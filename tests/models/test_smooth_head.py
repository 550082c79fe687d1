"""Laws of the smooth head: its logits are a cubic spline over the token values. V tokens, M basis functions."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.points import TokenPoints
from dist2_robot.models.smooth_head import MIN_BASES, SmoothHead, spline_basis

X = torch.linspace(-1, 1, 257, dtype=torch.float64)
bases = st.integers(MIN_BASES, 40)
periods = st.sampled_from([math.inf, 2.0, 2.1])


def fit(basis, curve):
    """Return the nearest curve (V,) to another that a basis (V, M) can be summed to."""
    return basis @ torch.linalg.lstsq(basis, curve[:, None], driver="gelsd").solution[:, 0]


@given(bases, periods)
def test_the_basis_is_never_negative_and_adds_up_to_one(count, period):
    basis = spline_basis(X, count, period)
    assert (basis >= 0).all()
    assert torch.allclose(basis.sum(-1), torch.ones_like(X))


@given(bases, periods)
def test_a_token_moves_only_what_is_less_than_four_knots_away(count, period):
    basis = spline_basis(X, count, period)
    step = 2 / (count - 3) if math.isinf(period) else period / count
    apart = (X[:, None] - X).abs()
    apart = apart if math.isinf(period) else torch.minimum(apart, period - apart)
    shared = basis @ basis.T
    assert (shared[apart >= 4 * step + 1e-9] == 0).all()
    assert (shared[apart < 3 * step - 1e-3] > 0).all()


@given(bases, st.lists(st.floats(-10, 10), min_size=4, max_size=4))
def test_every_cubic_polynomial_is_in_the_basis(count, coefficients):
    curve = sum(c * X**i for i, c in enumerate(coefficients))
    assert torch.allclose(fit(spline_basis(X, count), curve), curve, atol=1e-6)


@given(st.floats(-1, 1), st.floats(0.004, 1.0))
def test_every_gaussian_can_be_predicted_however_narrow(mean, sigma):
    """Half a bin of 257 is as narrow as it gets; the log is a quadratic of up to 125,000."""
    log_density = -((X - mean) ** 2) / (2 * sigma**2)
    predicted = torch.softmax(fit(spline_basis(X, 16), log_density), -1)
    assert torch.allclose(predicted, torch.softmax(log_density, -1), atol=1e-6)


@given(bases, st.floats(-3, 3))
def test_on_a_circle_all_places_are_alike(count, shift):
    """Moved by a knot the basis is the same, its functions one place further on; by a period it is the same."""
    period = 2.1
    basis = spline_basis(X, count, period)
    moved = spline_basis(X + period / count, count, period)
    assert torch.allclose(moved.roll(-1, dims=1), basis)
    again = spline_basis(X + shift + period, count, period)
    assert torch.allclose(again, spline_basis(X + shift, count, period), atol=1e-9)


@pytest.mark.parametrize("wraps", [True, False])
def test_both_ends_are_neighbours_only_on_a_circle(wraps):
    values = torch.linspace(-1, 1, 64)
    period = 2 * 64 / 63 if wraps else None
    basis = SmoothHead(8, TokenPoints.of_values(values, period)).basis[0]
    gain = basis @ basis[0]
    assert bool(gain[63] > 0.9 * gain[1]) is wraps
    assert gain[63].item() == pytest.approx(gain[1].item() if wraps else 0, abs=1e-6)


@given(st.integers(0, 2**31))
def test_logits_have_no_corner(seed):
    """The second derivative has none: between neighbouring tokens it changes by a third derivative at most."""
    torch.manual_seed(seed)
    values = torch.linspace(-1, 1, 512)
    head = SmoothHead(8, TokenPoints.of_values(values), bases=12).double()
    logits = head(torch.randn(1, 1, 8, dtype=torch.float64))[0, 0]
    knot, step = 2 / 9, 2 / 511
    coefficients = logits.amax() - logits.amin()
    third = logits.diff(n=3) / step**3
    # |third derivative| of a cubic spline: third differences of its coefficients, which are at most 8 times as large.
    assert third.abs().max() < 40 * coefficients.clamp(min=0.1) / knot**3


def test_too_few_bases_are_refused():
    with pytest.raises(ValueError, match="at least 4 bases"):
        SmoothHead(8, TokenPoints.of_values(X), bases=3)
