"""Laws of normalising: zero mean, unit spread, and nothing explodes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.normalizer import CONSTANT_SPREAD, LIMIT, Normalizer
from dist2_robot.types import ENVIRONMENT_STATE, STATE, Observation


def fitted(column):
    """Return a normaliser of the state that has seen this column (N, size)."""
    normalizer = Normalizer({STATE: column.shape[1]})
    normalizer.fit({STATE: column})
    return normalizer


def normalized(normalizer, column):
    return normalizer.normalize(Observation({STATE: column})).features[STATE]


def test_an_unfitted_normalizer_changes_nothing():
    x = torch.linspace(-LIMIT, LIMIT, 12).view(4, 3)
    assert torch.equal(normalized(Normalizer({STATE: 3}), x), x)


@given(st.floats(-100, 100), st.floats(1e-1, 1e3), st.integers(0, 2**31))
def test_what_was_fitted_has_zero_mean_and_unit_spread(mean, std, seed):
    x = mean + std * torch.randn(50, 2, generator=torch.Generator().manual_seed(seed))
    z = normalized(fitted(x), x).double()
    assert z.mean(dim=0).tolist() == pytest.approx([0, 0], abs=1e-3)
    assert z.std(dim=0, correction=0).tolist() == pytest.approx([1, 1], abs=1e-3)


@pytest.mark.parametrize("value", [0.0, 1e-3, 1.0, 5000.0])
@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_a_number_that_hardly_moved_is_shifted_and_not_divided(value, noise):
    x = value + noise * torch.randn(100, 1, dtype=torch.float64)
    moved = torch.tensor([[value + 0.01]], dtype=torch.float64)
    assert normalized(fitted(x), moved).item() == pytest.approx(0.01, abs=1e-3)


@given(st.floats(1e-9, 1e3), st.floats(-1e4, 1e4))
def test_no_number_grows_by_more_than_the_stated_factor(std, mean):
    normalizer = fitted(torch.tensor([[mean - std], [mean + std]], dtype=torch.float64))
    step = 1e-4
    moved = normalized(normalizer, torch.tensor([[mean], [mean + step]], dtype=torch.float64))
    assert moved.diff(dim=0).item() / step <= 1.001 * max(1.0, 1 / (CONSTANT_SPREAD * max(1.0, abs(mean))))


def test_what_is_far_off_is_cut_off():
    normalizer = fitted(torch.tensor([[-1.0], [1.0]]))
    assert normalized(normalizer, torch.tensor([[1e9], [-1e9], [3.0]])).flatten().tolist() == [LIMIT, -LIMIT, 3.0]


def test_statistics_belong_to_the_normalizer_and_travel_with_it():
    column = torch.randn(20, 3) * 5 + 2
    normalizer = fitted(column)
    before = normalized(normalizer, column)
    restored = Normalizer({STATE: 3})
    restored.load_state_dict(normalizer.state_dict())
    column_copy = column.clone()
    column += 1000.0  # what the data does afterwards is no concern of the statistics
    assert torch.equal(normalized(restored, column_copy), before)
    assert torch.equal(normalized(normalizer, column_copy), before)


def test_each_feature_has_its_own_statistics():
    normalizer = Normalizer({STATE: 1, ENVIRONMENT_STATE: 1})
    columns = {STATE: torch.tensor([[0.0], [2.0]]), ENVIRONMENT_STATE: torch.tensor([[10.0], [30.0]])}
    normalizer.fit(columns)
    z = normalizer.normalize(Observation(columns)).features
    for name in columns:
        assert z[name].flatten().tolist() == [-1.0, 1.0]


@pytest.mark.fault("D1")
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused_by_name(bad):
    x = torch.zeros(4, 2)
    x[3, 1] = bad
    with pytest.raises(ValueError, match=f"'{STATE}'.*not finite"):
        normalized(Normalizer({STATE: 2}), x)
    with pytest.raises(ValueError, match=f"'{STATE}'.*not finite"):
        fitted(x)


@pytest.mark.fault("D2")
@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_feature_of_another_width_is_refused_and_never_broadcast(width):
    with pytest.raises(ValueError, match=f"'{STATE}' must be"):
        normalized(Normalizer({STATE: 3}), torch.zeros(5, width))
    with pytest.raises(ValueError, match=f"'{STATE}' must be"):
        Normalizer({STATE: 3}).fit({STATE: torch.zeros(5, width)})


def test_a_missing_feature_is_named():
    with pytest.raises(ValueError, match=f"'{ENVIRONMENT_STATE}' is missing"):
        Normalizer({ENVIRONMENT_STATE: 3}).normalize(Observation({STATE: torch.zeros(1, 3)}))
