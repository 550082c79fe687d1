"""A number as its digits."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.tokenizers.digits import DigitsTokenizer
from dist2_robot.tokenizers.uniform import UniformTokenizer

UNIT = ActionDimension("x", "ee_position", "m", 0.0, 1.0)
SHIFTED = ActionDimension("y", "joint", "deg", -30.0, 90.0, tolerance=0.5)
YAW = ActionDimension("yaw", "joint", "rad", -math.pi, math.pi, wraps=True)
CLAW = ActionDimension("claw", "gripper", "m", 0.0, 0.08)
dimensions = st.sampled_from([UNIT, SHIFTED, YAW, CLAW])
bases, lengths = st.integers(2, 12), st.integers(1, 4)


def make(*chosen, horizon=1, base=10, digits=3):
    return DigitsTokenizer(ActionSpec(chosen or (UNIT,), "absolute", 10.0, "file"), horizon, base, digits)


@pytest.mark.parametrize(("value", "digits"), [(0.395, [3, 9, 5]), (0.4001, [4, 0, 0]), (-1, [0] * 3), (7, [9] * 3)])
def test_digits_are_written_most_significant_first(value, digits):
    assert make().encode(torch.tensor([[[value]]])).tolist() == [digits]


@given(dimensions, bases, lengths)
def test_a_number_is_the_bin_of_which_it_gives_the_number(dimension, base, digits):
    """Digits are uniform bins, written otherwise: both cut and decode alike."""
    tokenizer = make(dimension, base=base, digits=digits)
    uniform = UniformTokenizer(tokenizer.spec, 1, base**digits)
    share = torch.rand(200, 1, 1, dtype=torch.float64) * 1.2 - 0.1
    actions = dimension.low + share * (dimension.high - dimension.low)
    tokens = tokenizer.encode(actions)
    places = torch.tensor([base**i for i in reversed(range(digits))])
    assert torch.equal((tokens * places).sum(-1, keepdim=True), uniform.encode(actions))
    assert torch.allclose(tokenizer.decode(tokens), uniform.decode(uniform.encode(actions)), atol=1e-5)


@given(dimensions, bases, lengths)
def test_every_number_survives_the_way_back(dimension, base, digits):
    tokenizer = make(dimension, base=base, digits=digits, horizon=2)
    tokens = torch.randint(base, (50, tokenizer.tokens_per_chunk))
    assert torch.equal(tokenizer.encode(tokenizer.decode(tokens)), tokens)


@given(dimensions, bases, lengths, st.floats(0, 1))
def test_a_round_trip_errs_by_half_a_unit_of_the_last_digit(dimension, base, digits, share):
    tokenizer, span = make(dimension, base=base, digits=digits), dimension.high - dimension.low
    action = dimension.low + share * span
    error = abs(tokenizer.decode(tokenizer.encode(torch.tensor([[[action]]]).double())).item() - action)
    error = min(error, span - error) if dimension.wraps else error
    assert error <= span / base**digits / 2 + 1e-6 * span


@given(st.sampled_from([UNIT, SHIFTED]), st.lists(st.floats(-0.5, 1.5), min_size=2, max_size=20))
def test_numbers_grow_with_the_action(dimension, shares):
    actions = dimension.low + torch.tensor(sorted(shares), dtype=torch.float64) * (dimension.high - dimension.low)
    tokens = make(dimension).encode(actions.view(-1, 1, 1))
    assert ((tokens * torch.tensor([100, 10, 1])).sum(-1).diff() >= 0).all()


def test_decoding_values_is_linear():
    tokenizer = make(UNIT, SHIFTED, horizon=2)
    one, two = torch.randn(2, 5, tokenizer.tokens_per_chunk, dtype=torch.float64)
    nothing = torch.zeros_like(one)
    mixed = tokenizer.to_actions(0.3 * one + 0.7 * two)
    assert torch.allclose(mixed, 0.3 * tokenizer.to_actions(one) + 0.7 * tokenizer.to_actions(two))
    half_a_step = torch.tensor([0.0005, -30 + 0.06], dtype=torch.float64)
    assert torch.allclose(tokenizer.to_actions(nothing), half_a_step.expand(5, 2, 2))


def test_expected_digits_give_the_expected_number():
    """Half of the mass on 39, half on 40: 39.5, though no digit is between."""
    tokenizer = make(digits=2)
    tokens = torch.tensor([[3, 9], [4, 0]])
    expected = torch.stack([tokenizer.values()[i, tokens[:, i]].mean() for i in range(2)])[None]
    assert tokenizer.to_actions(expected).item() == pytest.approx(0.395 + 0.005)
    assert tokenizer.to_actions(expected).item() == pytest.approx(tokenizer.decode(tokens).mean().item())


def test_values_of_the_leading_digits_are_exact_and_the_last_one_takes_the_rest():
    values = make().to_values(torch.tensor([[[0.39567]]], dtype=torch.float64))
    assert values.tolist() == [pytest.approx([0.3, 0.09, 0.00567 - 0.0005])]


def test_digits_of_one_number_stand_side_by_side():
    tokenizer = make(UNIT, CLAW, horizon=2)
    actions = torch.tensor([[[0.1235, 0.0], [0.4565, 0.08]]])
    assert tokenizer.encode(actions).tolist() == [[1, 2, 3, 0, 0, 0, 4, 5, 6, 9, 9, 9]]
    assert tokenizer.tokens_per_query == 6
    assert tokenizer.never_averaged().tolist() == [False] * 3 + [True] * 3 + [False] * 3 + [True] * 3
    assert tokenizer.points().digits == 3


def test_bins_are_the_published_distance_and_tolerances_weigh_the_places():
    tokenizer, digit = make(SHIFTED), torch.arange(10.0)
    apart = (digit[:, None] - digit).abs()
    published = tokenizer.distances(SquaredDistance("bins")).distances
    assert torch.equal(published, apart.square().expand(3, -1, -1))
    scaled = tokenizer.distances(AbsoluteDistance()).distances
    for i, place in enumerate((100, 10, 1)):
        assert torch.allclose(scaled[i], apart * place * 0.12 / 0.5, rtol=1e-5)  # 0.12 degrees a cell


def test_carries_are_lost_which_is_known():
    """Neighbouring numbers, 399 and 400 of 1000, lie far apart as digits; so do the ends of a circle."""
    tokenizer = make(YAW)
    table = tokenizer.distances(AbsoluteDistance("bins"))
    tokens = tokenizer.encode(torch.tensor([[[-math.pi + 1e-4]], [[math.pi - 1e-4]]]))
    assert table.distances[table.groups, tokens[0], tokens[1]].tolist() == [9.0] * 3
    assert not tokenizer.periods().isfinite().any()


def test_digits_that_float32_cannot_tell_apart_are_refused_by_name():
    with pytest.raises(ValueError, match="'x': 8 digits in base 10"):
        make(digits=8)
    far = ActionDimension("rail", "ee_position", "mm", 1000.0, 1001.0)
    with pytest.raises(ValueError, match="'rail'"):
        make(far, digits=4)


@pytest.mark.parametrize(("base", "digits"), [(1, 3), (10, 0)])
def test_too_little_to_write_with_is_refused(base, digits):
    with pytest.raises(ValueError, match="base of 2 and 1 digit"):
        make(base=base, digits=digits)
