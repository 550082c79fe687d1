"""As many bins as each dimension needs."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.target import soft_targets
from dist2_robot.losses.energy import EnergyLoss
from dist2_robot.models.mixture_head import MixtureHead
from dist2_robot.tokenizers.per_dimension import PerDimensionTokenizer, bins_for_error
from dist2_robot.tokenizers.uniform import UniformTokenizer

X = ActionDimension("x", "ee_position", "cm", -1.0, 3.0, tolerance=0.1)
CLAW = ActionDimension("claw", "gripper", "m", 0.0, 0.08)
YAW = ActionDimension("yaw", "ee_rotation", "rad", -math.pi, math.pi, wraps=True)
SPEC = ActionSpec((X, CLAW, YAW), "absolute", 10.0, "file")
counts = st.lists(st.integers(2, 40), min_size=3, max_size=3)


def spec_of(*dimensions):
    return ActionSpec(dimensions, "absolute", 10.0, "file")


def anywhere(count=200, horizon=1):
    return (torch.rand(count, horizon, 3, dtype=torch.float64) - 0.5) * 20


@given(counts)
def test_each_dimension_is_cut_as_if_it_were_alone(bins):
    tokenizer, actions = PerDimensionTokenizer(SPEC, 2, bins), anywhere(horizon=2)
    tokens = tokenizer.encode(actions).unflatten(1, (2, 3))
    decoded = tokenizer.decode(tokens.flatten(1))
    assert tokenizer.vocab_size == max(bins)
    for a, (dimension, count) in enumerate(zip(SPEC.dimensions, bins, strict=True)):
        alone = UniformTokenizer(spec_of(dimension), 2, count)
        assert torch.equal(tokens[..., a], alone.encode(actions[..., a, None]))
        assert torch.equal(decoded[..., a, None], alone.decode(tokens[..., a]))


@given(st.floats(0.02, 5), st.floats(0.001, 0.5), st.floats(0, 1))
def test_a_round_trip_errs_by_the_error_that_is_allowed(max_error, tolerance, share):
    dimension = ActionDimension("x", "joint", "rad", -1.0, 1.0, tolerance=tolerance)
    tokenizer = PerDimensionTokenizer(spec_of(dimension), 1, max_error=max_error)
    action = torch.tensor([[[2 * share - 1]]], dtype=torch.float64)
    error = (tokenizer.decode(tokenizer.encode(action)).double() - action).abs().item()
    assert error <= max_error * tolerance + 1e-7


@given(st.floats(0.02, 5), st.floats(0.001, 0.5))
def test_there_are_no_more_bins_than_the_error_needs(max_error, tolerance):
    [count] = bins_for_error(spec_of(ActionDimension("x", "joint", "rad", -1.0, 1.0, tolerance=tolerance)), max_error)
    assert count == 2 or 1 / (count - 1) > max_error * tolerance * (1 - 1e-6)


def test_the_default_tolerance_needs_a_hundred_bins_for_half_of_it():
    ranges = [(-1.0, 2.0), (0.0, 0.08), (-math.pi, math.pi), (0.0, 0.7), (1e-3, 1e3)]
    spec = spec_of(*(ActionDimension(str(i), "joint", "?", *limits) for i, limits in enumerate(ranges)))
    assert bins_for_error(spec, 0.5) == [100] * 5


@pytest.mark.parametrize(("max_error", "high", "count"), [(0.25, 6.33, 200), (0.1, 8.3, 500), (0.05, 8.48, 1000)])
def test_rounding_costs_no_bin(max_error, high, count):
    """A quotient that is a whole number but for rounding, such as 6.33 / (0.5 * 0.0633), is taken for one."""
    spec = spec_of(ActionDimension("x", "joint", "rad", 0.0, high, tolerance=0.01 * high))
    assert bins_for_error(spec, max_error) == [count]


def test_lacking_tokens_are_marked():
    points = PerDimensionTokenizer(SPEC, 2, [4, 2, 3]).points()
    assert points.valid.tolist() == [[True] * 4, [True, True, False, False], [True, True, True, False]]
    assert PerDimensionTokenizer(SPEC, 2, [4, 4, 4]).points().valid is None


def test_a_target_gives_lacking_tokens_no_mass():
    tokenizer = PerDimensionTokenizer(SPEC, 1, [4, 2, 3])
    target = soft_targets(tokenizer.distances(SquaredDistance("bins")), 1.0)
    assert not target[1, :, 2:].any()
    assert target[1, 0, 0].item() == pytest.approx(1 / (1 + math.exp(-1)))


@given(counts)
def test_lacking_tokens_lie_beyond_the_range_and_take_little_of_the_axis(bins):
    tokenizer = PerDimensionTokenizer(SPEC, 1, bins)
    points = tokenizer.points()
    for a, (dimension, count) in enumerate(zip(SPEC.dimensions, bins, strict=True)):
        high, width = (
            dimension.high / dimension.tolerance,
            (dimension.high - dimension.low) / dimension.tolerance / count,
        )
        beyond = points.points[a, count:, 0]
        assert (beyond > high).all()
        assert (beyond < high + 2 * width + 1e-9).all()
        assert (points.edges[a].diff() > 0).all()


def test_the_last_token_of_a_short_dimension_is_as_wide_as_the_others_to_a_head():
    """The mixture head places boundaries half-way between points."""
    tokenizer = PerDimensionTokenizer(SPEC, 1, [64, 2, 5])
    points = tokenizer.points().points[..., 0]
    for a, count in ((1, 2), (2, 5)):
        between = (points[a, 1 : count + 1] + points[a, :count]) / 2
        assert torch.allclose(between[1:].diff(), between.diff()[:1].expand(count - 2))
    head = MixtureHead(8, tokenizer.points())
    assert torch.isfinite(head(torch.randn(2, 3, 8))).all()


def test_the_ends_of_a_circle_are_neighbours_however_few_its_bins():
    table = PerDimensionTokenizer(SPEC, 1, [16, 2, 6]).distances(SquaredDistance("bins")).distances[2]
    assert table[0, 5].item() == pytest.approx(1)
    assert table[0, 3].item() == pytest.approx(9)
    tokenizer = PerDimensionTokenizer(SPEC, 1, [16, 2, 6])
    ends = torch.tensor([[[0.0, 0.0, -math.pi]], [[0.0, 0.0, math.pi - 1e-6]]], dtype=torch.float64)
    below, above = tokenizer.encode(ends)[:, 2].tolist()
    assert (below, above) == (0, 5)


def test_decoding_a_token_that_is_lacking_names_the_dimension():
    tokenizer = PerDimensionTokenizer(SPEC, 2, [4, 2, 3])
    tokens = torch.zeros(1, 6, dtype=torch.long)
    tokens[0, 4] = 2  # the claw at the second step
    with pytest.raises(ValueError, match="'claw' has 2 tokens, and there is none numbered 2"):
        tokenizer.decode(tokens)


def test_the_energy_loss_takes_dimensions_of_different_counts():
    tokenizer = PerDimensionTokenizer(spec_of(X, CLAW), 1, [16, 2])
    loss = EnergyLoss(tokenizer.distances(AbsoluteDistance()))
    logits = torch.zeros(1, 2, 16)
    logits[0, 1, 2:] = -1e9
    sure = torch.full_like(logits, -1e9).scatter(-1, torch.tensor([[[3], [1]]]), 0.0)
    assert loss(sure, torch.tensor([[3, 1]])).loss.item() == pytest.approx(0, abs=1e-6)
    assert loss(logits, torch.tensor([[3, 1]])).loss.item() > 1


@pytest.mark.parametrize(
    ("bins", "message"),
    [([4, 2], "3 numbers, one each for x, claw, yaw"), ([4, 1, 3], "'claw' needs"), ([4, 2, 2.5], "'yaw' needs")],
)
def test_bins_that_do_not_fit_are_refused(bins, message):
    with pytest.raises(ValueError, match=message):
        PerDimensionTokenizer(SPEC, 1, bins)


@pytest.mark.parametrize("max_error", [0.0, -1.0, math.inf, math.nan])
def test_an_error_that_cannot_be_is_refused(max_error):
    with pytest.raises(ValueError, match="max_error"):
        PerDimensionTokenizer(SPEC, 1, max_error=max_error)
