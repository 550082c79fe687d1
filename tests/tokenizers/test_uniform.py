"""Laws of equal bins: a round trip errs by half a bin, and nothing out of range changes sides."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.tokenizers.tokenizer import Tokenizer
from dist2_robot.tokenizers.uniform import UniformTokenizer

GRIPPER = ActionDimension("claw", "gripper", "m", 0.0, 0.08)
ANGLE = ActionDimension("wrist", "joint", "rad", -math.pi, math.pi, wraps=True)
FAR = ActionDimension("rail", "ee_position", "mm", 1000.1, 1001.3)  # limits that float32 does not hold
DIMENSIONS = [GRIPPER, ANGLE, FAR]


def make(*dimensions, horizon=1, bins=256):
    return UniformTokenizer(ActionSpec(dimensions or (GRIPPER,), "absolute", 30.0, "file"), horizon, bins)


def chunk(*values):
    """Return one action chunk (1, T, 1) of these values of one dimension."""
    return torch.tensor(values, dtype=torch.float64).view(1, -1, 1)


def every_token(tokenizer):
    """Return chunks (V, L) of which row v holds token v everywhere."""
    return torch.arange(tokenizer.vocab_size)[:, None].expand(-1, tokenizer.tokens_per_chunk)


vocabularies = st.integers(2, 300)
dimensions = st.sampled_from(DIMENSIONS)
shares = st.floats(0, 1)


def test_it_keeps_the_contract():
    assert isinstance(make(), Tokenizer)


@given(dimensions, vocabularies, shares)
def test_a_round_trip_errs_by_half_a_bin_at_most(dimension, bins, share):
    tokenizer = make(dimension, bins=bins)
    span = dimension.high - dimension.low
    action = dimension.low + share * span
    error = abs(tokenizer.decode(tokenizer.encode(chunk(action))).item() - action)
    if dimension.wraps:
        error = min(error, span - error)
    assert error <= span / bins / 2 + 4e-7 * max(abs(dimension.low), abs(dimension.high))


@given(st.lists(dimensions, min_size=1, max_size=3, unique=True), st.integers(1, 4), vocabularies)
def test_every_token_survives_the_way_back(chosen, horizon, bins):
    tokenizer = make(*chosen, horizon=horizon, bins=bins)
    tokens = torch.randint(bins, (8, tokenizer.tokens_per_chunk))
    assert torch.equal(tokenizer.encode(tokenizer.decode(tokens)), tokens)
    assert torch.equal(tokenizer.encode(tokenizer.decode(every_token(tokenizer))), every_token(tokenizer))


@given(dimensions, vocabularies)
def test_there_are_as_many_centres_as_bins_half_a_bin_from_the_limits(dimension, bins):
    values = make(dimension, bins=bins).values().double()
    width = (dimension.high - dimension.low) / bins
    slack = 2e-7 * max(abs(dimension.low), abs(dimension.high))
    assert values.shape == (1, bins)
    assert values[0, 0].item() == pytest.approx(dimension.low + width / 2, abs=slack)
    assert values[0, -1].item() == pytest.approx(dimension.high - width / 2, abs=slack)
    assert values[0].diff().tolist() == pytest.approx([width] * (bins - 1), abs=2 * slack)


@pytest.mark.parametrize("bins", [2, 3, 255, 256])
def test_every_bin_is_reached_by_an_equal_share_of_the_range(bins):
    tokenizer = make(GRIPPER, bins=bins)
    per_bin = 8
    steps = (torch.arange(bins * per_bin, dtype=torch.float64) + 0.5) / (bins * per_bin)
    tokens = tokenizer.encode((GRIPPER.low + steps * (GRIPPER.high - GRIPPER.low)).view(-1, 1, 1))
    assert torch.bincount(tokens.flatten(), minlength=bins).tolist() == [per_bin] * bins


@given(st.sampled_from([GRIPPER, FAR]), st.lists(st.floats(-0.5, 1.5), min_size=2, max_size=20), vocabularies)
def test_encoding_is_monotone(dimension, shares, bins):
    tokenizer = make(dimension, bins=bins)
    actions = dimension.low + torch.tensor(sorted(shares), dtype=torch.float64) * (dimension.high - dimension.low)
    assert (tokenizer.encode(actions.view(-1, 1, 1)).flatten().diff() >= 0).all()


@given(st.sampled_from([GRIPPER, FAR]), vocabularies, st.floats(0, 1e30))
def test_what_is_out_of_range_goes_to_the_near_edge(dimension, bins, beyond):
    tokenizer = make(dimension, bins=bins)
    assert tokenizer.encode(chunk(dimension.low - beyond)).item() == 0
    assert tokenizer.encode(chunk(dimension.high + beyond)).item() == bins - 1


@given(vocabularies, st.floats(-3.1, 3.1), st.integers(-3, 3))
def test_a_whole_turn_changes_no_token(bins, angle, turns):
    tokenizer = make(ANGLE, bins=bins)
    position = (angle + math.pi) / (2 * math.pi) * bins
    if abs(position - round(position)) > 1e-6:  # on an edge, rounding decides
        assert torch.equal(tokenizer.encode(chunk(angle + turns * 2 * math.pi)), tokenizer.encode(chunk(angle)))


@pytest.mark.parametrize("distance", [AbsoluteDistance("bins"), SquaredDistance("bins")])
@pytest.mark.parametrize("bins", [8, 256])
def test_the_ends_of_a_circle_are_neighbours(bins, distance):
    tokenizer = make(ANGLE, bins=bins)
    below, above = tokenizer.encode(chunk(-math.pi + 1e-6)).item(), tokenizer.encode(chunk(math.pi - 1e-6)).item()
    assert (below, above) == (0, bins - 1)
    table = tokenizer.distances(distance).distances[0]
    assert table[below, above].item() == pytest.approx(table[0, 1].item(), rel=1e-5)
    assert table[below, above].item() == table[below, 1:].min().item() == pytest.approx(1, rel=0.03)


@given(st.sampled_from([GRIPPER, ANGLE, FAR]), st.floats(0.001, 0.999), vocabularies)
def test_float64_actions_are_cut_as_exact_arithmetic_cuts_them(dimension, share, bins):
    action = dimension.low + share * (dimension.high - dimension.low)
    low, high = Fraction(dimension.low), Fraction(dimension.high)
    position = (Fraction(action) - low) / (high - low) * bins
    if abs(position - round(position)) > Fraction(1, 10**6):
        assert make(dimension, bins=bins).encode(chunk(action)).item() == math.floor(position)


def test_far_from_zero_a_thousand_bins_stay_apart():
    tokenizer = make(FAR, bins=1000)
    assert torch.equal(tokenizer.encode(tokenizer.decode(every_token(tokenizer))), every_token(tokenizer))


def test_far_from_zero_edges_are_where_they_belong():
    edges = torch.arange(1, 1000, dtype=torch.float64)
    for side, expected in ((-1e-3, edges - 1), (1e-3, edges)):  # a thousandth of a bin to either side
        actions = FAR.low + (edges + side) / 1000 * (FAR.high - FAR.low)
        assert torch.equal(make(FAR, bins=1000).encode(actions.view(-1, 1, 1)).flatten(), expected.long())


def test_bins_that_float32_cannot_tell_apart_are_refused_by_name():
    narrow = ActionDimension("rail", "ee_position", "mm", 1000.0, 1000.001)
    with pytest.raises(ValueError, match="'rail': 256 bins"):
        make(GRIPPER, narrow)


def test_a_chunk_is_cut_step_by_step():
    tokenizer = make(*DIMENSIONS, horizon=4, bins=16)
    tokens = torch.randint(16, (5, 12))
    actions = tokenizer.decode(tokens)
    assert actions.shape == (5, 4, 3)
    for step in range(4):
        for index, dimension in enumerate(DIMENSIONS):
            alone = make(dimension, bins=16).decode(tokens[:, None, step * 3 + index])
            assert torch.equal(actions[:, step, index], alone.flatten())


def test_values_say_what_each_token_decodes_to():
    tokenizer = make(*DIMENSIONS, horizon=2, bins=16)
    decoded = tokenizer.to_values(tokenizer.decode(every_token(tokenizer)))
    assert torch.equal(decoded.T, tokenizer.values())


def test_values_and_actions_are_two_forms_of_the_same_numbers():
    tokenizer = make(*DIMENSIONS, horizon=2)
    actions = torch.randn(3, 2, 3)
    assert torch.equal(tokenizer.to_actions(tokenizer.to_values(actions)), actions)


def test_the_tokens_of_a_step_are_padding_when_the_step_is():
    tokenizer = make(*DIMENSIONS, horizon=2)
    mask = tokenizer.padding_mask(torch.tensor([[False, True], [False, False]]))
    assert mask.tolist() == [[False] * 3 + [True] * 3, [False] * 6]


@pytest.mark.fault("D1")
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dimension", [GRIPPER, ANGLE])
def test_actions_that_are_not_finite_are_refused(dimension, bad):
    with pytest.raises(ValueError, match="not finite"):
        make(dimension).encode(chunk(bad))


@pytest.mark.fault("D2")
@pytest.mark.parametrize("token", [-1, 256, 2**40])
def test_unknown_tokens_are_refused(token):
    with pytest.raises(ValueError, match=r"\[0, 256\)"):
        make(horizon=2).decode(torch.tensor([[3, token]]))


@pytest.mark.fault("D2")
@pytest.mark.parametrize("token", [1.5, math.nan])
def test_tokens_that_are_no_whole_numbers_are_refused(token):
    with pytest.raises(ValueError, match="whole numbers"):
        make().decode(torch.tensor([[token]]))


@pytest.mark.fault("D2")
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 3, 3), (1, 2, 2), (1, 2, 4)])
def test_chunks_of_another_shape_are_refused(shape):
    tokenizer = make(*DIMENSIONS, horizon=2)
    with pytest.raises(ValueError, match=r"\(B, 2, 3\)"):
        tokenizer.encode(torch.zeros(shape))
    with pytest.raises(ValueError, match="6 tokens"):
        tokenizer.decode(torch.zeros(shape).flatten(-2)[..., :5].long())


@pytest.mark.parametrize(("horizon", "bins", "message"), [(1, 1, "2 bins"), (0, 16, "1 step")])
def test_too_little_to_cut_is_refused(horizon, bins, message):
    with pytest.raises(ValueError, match=message):
        make(horizon=horizon, bins=bins)


def test_limits_travel_with_the_state():
    tokenizer, other = make(FAR), make(ActionDimension("rail", "ee_position", "mm", 0.0, 1.0))
    other.load_state_dict(tokenizer.state_dict())
    tokens = every_token(tokenizer)
    assert torch.equal(other.decode(tokens), tokenizer.decode(tokens))
    actions = chunk(1000.4)
    assert torch.equal(other.encode(actions), tokenizer.encode(actions))


@pytest.mark.parametrize("distance", [AbsoluteDistance(), SquaredDistance(), AbsoluteDistance("bins")])
@pytest.mark.parametrize("wraps", [False, True])
def test_dimensions_of_equal_range_in_tolerances_share_their_distances(distance, wraps):
    turn = ActionDimension("turn", "joint", "rad", -math.pi, math.pi, wraps, tolerance=math.pi / 50)
    degrees = ActionDimension("degrees", "joint", "deg", 0.0, 360.0, wraps, tolerance=3.6)
    table = make(turn, degrees, bins=64).distances(distance)
    assert torch.allclose(table.distances[0], table.distances[1], rtol=1e-5, atol=1e-5)


@given(dimensions, st.integers(2, 64), st.floats(0.1, 10))
def test_distances_are_measured_in_tolerances(dimension, bins, tolerance):
    told = ActionDimension("x", "joint", "?", dimension.low, dimension.high, dimension.wraps, tolerance)
    table = make(told, bins=bins).distances(AbsoluteDistance()).distances[0]
    span = (told.high - told.low) / tolerance
    expected = span / math.pi * math.sin(math.pi / bins) if told.wraps else span / bins
    assert table[0, 1].item() == pytest.approx(expected, rel=1e-4)


@given(st.lists(dimensions, min_size=1, max_size=3, unique=True), st.integers(1, 3), st.integers(2, 64))
def test_positions_of_one_dimension_share_a_symmetric_table(chosen, horizon, bins):
    for distance in (AbsoluteDistance(), SquaredDistance("bins")):
        table = make(*chosen, horizon=horizon, bins=bins).distances(distance)
        assert table.groups.tolist() == list(range(len(chosen))) * horizon
        assert torch.equal(table.distances, table.distances.mT)
        assert not table.distances.diagonal(dim1=1, dim2=2).any()


def test_bin_numbers_are_the_published_distance():
    table = make(GRIPPER, bins=16).distances(SquaredDistance("bins")).distances[0]
    index = torch.arange(16.0)
    assert torch.allclose(table, (index[:, None] - index).square(), atol=1e-4)


def fitted(actions, *dimensions, bins=64):
    spec = ActionSpec(dimensions, "absolute", 30.0, "file")
    tokenizer = UniformTokenizer(spec, 1, bins, span="data")
    tokenizer.fit(actions.view(-1, 1, len(dimensions)))
    return tokenizer


def test_the_span_of_the_data_is_what_they_use_and_a_margin_within_the_limits():
    joint = ActionDimension("pan", "joint", "deg", -110.0, 110.0, tolerance=1.0)
    edge = ActionDimension("lift", "joint", "deg", -100.0, 100.0, tolerance=1.0)
    still = ActionDimension("roll", "joint", "deg", -150.0, 150.0, tolerance=1.0)
    actions = torch.tensor([[-20.0, 60.0, 5.0], [30.0, 99.0, 5.0]])
    tokenizer = fitted(actions, joint, edge, still)
    low, high = tokenizer.limits()
    assert low.tolist() == pytest.approx([-25.0, 56.1, 4.0])
    assert high.tolist() == pytest.approx([35.0, 100.0, 6.0])
    assert (tokenizer.decode(tokenizer.encode(actions[:, None])) - actions[:, None]).abs().max() <= 60 / 64 / 2


def test_a_circle_stays_whole_and_what_lies_beyond_the_span_goes_to_its_end():
    joint = ActionDimension("pan", "joint", "deg", -110.0, 110.0, tolerance=1.0)
    tokenizer = fitted(torch.tensor([[0.1, -20.0], [0.2, 30.0]]), ANGLE, joint)
    low, high = tokenizer.limits()
    assert (low[0], high[0]) == (ANGLE.low, ANGLE.high)
    assert tokenizer.encode(torch.tensor([[[0.0, 100.0]]]))[0, 1] == 63


def test_a_fitted_span_travels_with_the_state_and_without_data_there_is_none():
    spec = ActionSpec((GRIPPER,), "absolute", 30.0, "file")
    tokenizer = fitted(torch.tensor([[0.01], [0.02]]), GRIPPER)
    again = UniformTokenizer(spec, 1, 64, span=tokenizer.config()["span"])
    again.load_state_dict(tokenizer.state_dict())
    assert torch.equal(again.edges, tokenizer.edges)
    with pytest.raises(ValueError, match="no whole chunk"):
        again.fit(torch.zeros(0, 1, 1))
    with pytest.raises(ValueError, match="span must be one of"):
        UniformTokenizer(spec, 1, 64, span="dat")
