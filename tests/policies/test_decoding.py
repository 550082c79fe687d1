"""Closed forms of the decoding rules. B batch, L positions, V tokens."""

import cmath
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.difference import difference
from dist2_robot.distances.points import TokenPoints
from dist2_robot.policies.decoding import LOCAL_WINDOW, RULES, Meanings, Sampling, choose

V = 50
WIDTH = 2 * math.pi / V
WINDOW = round(LOCAL_WINDOW * V)
CENTRES = -math.pi + (torch.arange(V) + 0.5) * WIDTH
LINE, CIRCLE = torch.tensor([math.inf]), torch.tensor([2 * math.pi])
NOT, GRIPPER = torch.tensor([False]), torch.tensor([True])

seeds = st.integers(0, 2**31)
tokens = st.integers(0, V - 1)
DETERMINISTIC = sorted(set(RULES) - {"sample"})
rules = pytest.mark.parametrize("rule", DETERMINISTIC)


def decode(probabilities, rule, periods=LINE, is_gripper=NOT, values=CENTRES):
    """Return the value that a rule takes from one distribution (V,), and its entropy."""
    logits = probabilities.double().clamp(min=1e-30).log().float()
    choice = choose(logits.view(1, 1, -1), mean_of(values.view(1, -1), periods, is_gripper), rule)
    return choice.values.item(), choice.entropy.item()


def mean_of(values, periods, is_gripper):
    """Return what tokens mean; the risk is the squared difference, on the line or round the circle."""
    apart = [difference(v[:, None], v, None if math.isinf(p) else p) for v, p in zip(values, periods, strict=True)]
    boundaries = TokenPoints.of_values(values).edges
    return Meanings(values, periods, is_gripper, distances=torch.stack(apart).square(), boundaries=boundaries)


def draw(seed, sharpness=2.0):
    return torch.softmax(sharpness * torch.randn(V, generator=torch.Generator().manual_seed(seed)), -1)


def masses(**at):
    """Return a distribution with these masses, e.g. ``t3=0.5``."""
    p = torch.zeros(V)
    for token, mass in at.items():
        p[int(token[1:])] = mass
    return p


def turn(a, b):
    """Return how far apart two angles are."""
    return abs(math.remainder(a - b, 2 * math.pi))


@given(seeds)
def test_argmax_is_the_value_of_the_likeliest_token(seed):
    p = draw(seed)
    assert decode(p, "argmax")[0] == CENTRES[p.argmax()].item()


@given(seeds)
def test_mean_is_the_expected_value(seed):
    p = draw(seed)
    assert decode(p, "mean")[0] == pytest.approx((p.double() * CENTRES.double()).sum().item(), abs=1e-5)


@given(seeds)
def test_mean_on_a_circle_is_the_angle_of_the_expected_point(seed):
    p = draw(seed, sharpness=3.0)
    point = sum(mass * cmath.exp(1j * angle) for mass, angle in zip(p.tolist(), CENTRES.tolist(), strict=True))
    if abs(point) > 0.05:  # else there is hardly a direction
        assert turn(decode(p, "mean", CIRCLE)[0], cmath.phase(point)) < 1e-4


@given(seeds, st.integers(1, V - 1), st.sampled_from(["mean", "local_mean"]))
def test_turning_the_distribution_turns_the_decoded_angle(seed, steps, rule):
    p = draw(seed, sharpness=3.0)
    if abs((p * torch.exp(1j * CENTRES)).sum()) > 0.05:
        turned = decode(p.roll(steps), rule, CIRCLE)[0]
        assert turn(turned, decode(p, rule, CIRCLE)[0] + steps * WIDTH) < 1e-3


@pytest.mark.parametrize("rule", ["mean", "local_mean"])
def test_between_two_neighbours_across_the_ends_lies_pi_and_not_zero(rule):
    ends = {"t0": 0.5, f"t{V - 1}": 0.5}
    assert turn(decode(masses(**ends), rule, CIRCLE)[0], math.pi) < 1e-4
    assert decode(masses(**ends), "mean", LINE)[0] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("rule", ["mean", "local_mean"])
@pytest.mark.parametrize("share", [0.2, 0.8])
def test_an_angle_across_the_ends_is_told_within_the_limits(rule, share):
    value, _ = decode(masses(**{"t0": share, f"t{V - 1}": 1 - share}), rule, CIRCLE)
    assert abs(value) <= math.pi
    assert value == pytest.approx(math.copysign(math.pi, 0.5 - share) + (share - 0.5) * WIDTH, abs=1e-4)


@given(seeds, st.sampled_from([LINE, CIRCLE]))
def test_local_mean_stays_by_the_mode(seed, periods):
    p = draw(seed)
    distance = abs(decode(p, "local_mean", periods)[0] - CENTRES[p.argmax()].item())
    if periods is CIRCLE:
        distance = min(distance, 2 * math.pi - distance)
    assert distance <= WINDOW * WIDTH + 1e-5


@given(st.integers(2 * WINDOW, V // 2 - WINDOW), st.floats(0.51, 0.9))
def test_local_mean_never_lands_between_two_far_modes(token, larger):
    other = V - 1 - token + 2 * WINDOW
    p = masses(**{f"t{token}": larger, f"t{min(other, V - 1)}": 1 - larger})
    assert decode(p, "local_mean")[0] == pytest.approx(CENTRES[token].item(), abs=1e-5)
    assert abs(decode(p, "mean")[0] - CENTRES[token].item()) > 0.09 * 2 * WIDTH


@given(st.integers(WINDOW, V - 1 - WINDOW), seeds)
def test_local_mean_is_the_mean_where_all_mass_is_near_the_mode(mode, seed):
    p = torch.zeros(V)
    p[mode - WINDOW : mode + WINDOW + 1] = torch.rand(2 * WINDOW + 1, generator=torch.Generator().manual_seed(seed))
    p[mode] = 1.5
    p /= p.sum()
    assert decode(p, "local_mean")[0] == pytest.approx(decode(p, "mean")[0], abs=1e-5)


@rules
@given(tokens)
def test_certainty_decodes_to_the_value_itself(rule, token):
    p = masses(**{f"t{token}": 1.0})
    for periods in (LINE, CIRCLE):
        value, entropy = decode(p, rule, periods)
        assert turn(value, CENTRES[token].item()) < 1e-4
        assert entropy == pytest.approx(0, abs=1e-6)


@rules
def test_far_from_zero_rounding_stays_below_a_bin(rule):
    values = 1000 + (torch.arange(256) + 0.5) / 256
    p = torch.softmax(-((torch.arange(256.0) - 100) / 3).square(), -1)
    assert decode(p, rule, values=values)[0] == pytest.approx(values[100].item(), abs=0.5 / 256)


@rules
@given(seeds)
def test_a_gripper_is_never_averaged(rule, seed):
    p = draw(seed)
    assert decode(p, rule, is_gripper=GRIPPER)[0] == CENTRES[p.argmax()].item()


def test_a_gripper_that_is_as_good_as_undecided_still_opens_or_shuts():
    half = masses(t0=0.49, **{f"t{V - 1}": 0.51})
    assert decode(half, "mean", is_gripper=GRIPPER)[0] == CENTRES[-1].item()
    assert abs(decode(half, "mean")[0]) < 0.1  # half open is neither


@rules
@given(seeds, st.floats(0.1, 10))
def test_what_is_decoded_lies_within_the_limits(rule, seed, sharpness):
    for periods in (LINE, CIRCLE):
        assert abs(decode(draw(seed, sharpness), rule, periods)[0]) <= math.pi + 1e-5


@given(seeds)
def test_entropy_equals_its_closed_form(seed):
    p = draw(seed)
    assert decode(p, "argmax")[1] == pytest.approx(-(p * p.log()).sum().item(), abs=1e-4)
    assert decode(torch.full((V,), 1 / V), "argmax")[1] == pytest.approx(math.log(V), abs=1e-5)


@rules
def test_positions_and_rows_are_decoded_each_for_itself(rule):
    values = torch.stack([CENTRES, 10 + CENTRES, CENTRES])
    periods = torch.tensor([math.inf, math.inf, 2 * math.pi])
    is_gripper = torch.tensor([False, True, False])
    logits = 3 * torch.randn(4, 3, V)
    together = choose(logits, mean_of(values, periods, is_gripper), rule)
    assert together.values.shape == together.entropy.shape == (4, 3)
    for row in range(4):
        for i in range(3):
            here = slice(i, i + 1)
            alone = choose(logits[row, here][None], mean_of(values[here], periods[here], is_gripper[here]), rule)
            assert together.values[row, i].item() == pytest.approx(alone.values.item(), abs=1e-5)


@pytest.mark.fault("D1")
@rules
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("everywhere", [False, True])
def test_logits_that_are_not_finite_are_an_error_and_not_token_zero(rule, bad, everywhere):
    logits = torch.full((2, 1, V), bad) if everywhere else torch.zeros(2, 1, V)
    logits[1, 0, 7] = bad
    with pytest.raises(ValueError, match="not finite"):
        choose(logits, mean_of(CENTRES[None], LINE, NOT), rule)


@given(seeds)
def test_median_has_half_of_the_mass_on_either_side(seed):
    p = draw(seed)
    token = int(torch.where(decode(p, "median")[0] == CENTRES)[0])
    assert p[:token].sum() <= 0.5 + 1e-5
    assert p[token + 1 :].sum() <= 0.5 + 1e-5


@given(seeds, st.sampled_from([LINE, CIRCLE]))
def test_least_risk_under_the_absolute_distance_is_the_median(seed, periods):
    p = draw(seed)
    apart = difference(CENTRES[:, None], CENTRES, None if math.isinf(periods.item()) else periods.item()).abs()
    chosen, risk = decode(p, "median", periods)[0], apart @ p
    assert risk[chosen == CENTRES].item() == pytest.approx(risk.min().item(), abs=1e-5)


@given(seeds)
def test_least_risk_under_the_squared_distance_is_the_bin_nearest_to_the_mean(seed):
    p = draw(seed)
    nearest = CENTRES[(CENTRES - decode(p, "mean")[0]).abs().argmin()].item()
    risk = (CENTRES[:, None] - CENTRES).square() @ p
    assert risk[decode(p, "min_risk")[0] == CENTRES].item() == pytest.approx(risk[nearest == CENTRES].item(), abs=1e-6)


@given(seeds)
def test_a_median_goes_round_the_circle_with_its_distribution(seed):
    p = draw(seed, sharpness=6.0)
    assert turn(decode(p.roll(20), "median", CIRCLE)[0], decode(p, "median", CIRCLE)[0] + 20 * WIDTH) < 1e-4


def test_a_sample_follows_the_probabilities():
    p = draw(3)
    meanings = mean_of(CENTRES[None], LINE, GRIPPER)  # even of a gripper
    drawn = choose(p.log().expand(20_000, 1, -1), meanings, "sample").tokens.flatten()
    share = torch.bincount(drawn, minlength=V) / len(drawn)
    assert (share - p).abs().max() < 5 * (p.max() / len(drawn)).sqrt()


@given(seeds, st.floats(0.05, 1.0))
def test_top_p_keeps_the_fewest_tokens_that_hold_the_mass(seed, top_p):
    p = draw(seed)
    kept = Sampling(top_p=top_p)(p.log())
    ordered = p.sort(descending=True).values
    count = int((kept > 0).sum())
    assert kept.sum().item() == pytest.approx(1, abs=1e-5)
    assert ordered[:count].sum() >= top_p - 1e-5
    assert count == 1 or ordered[: count - 1].sum() < top_p + 1e-5


@given(seeds, st.floats(0.3, 3.0))
def test_a_temperature_raises_probabilities_to_a_power(seed, temperature):
    p = draw(seed)
    expected = p.double() ** (1 / temperature)
    assert torch.allclose(Sampling(temperature)(p.double().log()), expected / expected.sum(), atol=1e-9)


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"top_p": 0.0}, {"top_p": 1.5}, {"temperature": math.nan}])
def test_sampling_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="sampling needs"):
        Sampling(**wrong)


@pytest.mark.parametrize("rule", sorted(set(DETERMINISTIC) - {"argmax"}))
def test_of_bins_of_unequal_width_a_gripper_takes_the_densest_and_not_the_heaviest(rule):
    widths = torch.full((V,), 1.0)
    widths[20:24] = 0.01
    density = torch.full((V,), 0.01)
    density[22] = 1.0
    p = density * widths
    meanings = replace(mean_of(CENTRES[None], LINE, GRIPPER), log_widths=widths.log()[None])
    choice = choose((p / p.sum()).log().view(1, 1, -1), meanings, rule)
    assert choice.tokens.item() == 22 != p.argmax().item()


@pytest.mark.parametrize("rule", ["mean", "local_mean"])
@given(seeds)
def test_the_token_of_a_value_is_the_nearest_one(rule, seed):
    choice = choose(draw(seed).log().view(1, 1, -1), mean_of(CENTRES[None], LINE, NOT), rule)
    assert (CENTRES - choice.values).abs().argmin() == choice.tokens


@given(seeds, st.sampled_from([LINE, CIRCLE]), st.sampled_from(["median", "min_risk", "local_mean"]))
def test_what_is_not_there_is_not_chosen(seed, periods, rule):
    there = 30  # of V tokens; the others mean something beyond the range
    p = torch.cat([draw(seed)[:there], torch.zeros(V - there)])
    valid = (torch.arange(V) < there)[None]
    period = periods if math.isinf(periods.item()) else torch.tensor([there * WIDTH])
    apart = difference(CENTRES[:, None], CENTRES, None if math.isinf(period.item()) else period.item()).square()[None]
    boundaries = TokenPoints.of_values(CENTRES).edges
    meanings = Meanings(CENTRES[None], period, NOT, distances=apart, valid=valid, boundaries=boundaries)
    logits = p.log().clamp(min=-1e4).view(1, 1, -1)
    choice = choose(logits, meanings, rule)
    assert choice.tokens.item() < there
    assert choice.values.item() <= CENTRES[there - 1] + WIDTH / 2 + 1e-5
