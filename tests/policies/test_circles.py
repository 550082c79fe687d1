"""Angles in bins of unequal width: means within the limits, medians as by brute force. V tokens."""

import cmath
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.registry import build_policy, build_tokenizer
from dist2_robot.policies.circles import Circles
from dist2_robot.policies.decoding import Meanings, choose
from dist2_robot.policies.risk import RiskTables
from dist2_robot.types import Prediction

seeds = st.integers(0, 2**31)
T = 3
SPEC = ActionSpec(
    (
        ActionDimension("lift", "joint", "rad", -1.0, 1.0),
        ActionDimension("turn", "joint", "rad", -math.pi, math.pi, wraps=True),
        ActionDimension("tilt", "joint", "deg", 10.0, 370.0, wraps=True),
    ),
    "absolute",
    10.0,
    "robot",
)
UNEVEN = {
    "quantile": {"bins": 16},
    "gaussian": {"bins": 16},
    "mu_law": {"bins": 16},
    "per_dimension": {"bins": [9, 16, 12]},
    "uniform": {"bins": 16},
}


def policy_of(tokenizer, **changes):
    """Return a policy whose tokenizer has learned from motions near one end of each circle."""
    torch.manual_seed(0)
    motions = torch.stack([torch.rand(64, T) - 0.5, -3 + 0.3 * torch.randn(64, T), 40 + 9 * torch.randn(64, T)], -1)
    config = {"name": tokenizer, "horizon": T, **UNEVEN[tokenizer]}
    cut = build_tokenizer(SPEC, config)
    cut.fit(motions)
    sizes = {"width": 8, "depth": 1, "attention_heads": 2, "observation": {"numbers": {"observation.state": 2}}}
    settings = {"name": "token", "head": {"name": "free"}, "decoding": "argmax", **sizes, "tokenizer": config}
    return build_policy(SPEC, settings | changes, cut.state_dict()).eval()


def logits_of(policy, sharpness, seed=1):
    """Return logits (32, L, V) that are as good as impossible where there is no token."""
    length, size = policy.tokenizer.tokens_per_chunk, policy.tokenizer.vocab_size
    logits = sharpness * torch.randn(32, length, size, generator=torch.Generator().manual_seed(seed))
    valid = policy.tokenizer.points().valid
    return logits if valid is None else logits.masked_fill(~valid[policy.tokenizer.points().groups], -1e4)


@pytest.mark.parametrize("sharpness", [0.5, 3.0])
@pytest.mark.parametrize("rule", ["mean", "local_mean", "median"])
@pytest.mark.parametrize("tokenizer", UNEVEN)
def test_angles_are_decoded_within_the_limits(tokenizer, rule, sharpness):
    policy = policy_of(tokenizer)
    actions = policy.decode(Prediction(logits_of(policy, sharpness)), rule).actions.double()
    for i, d in enumerate(SPEC.dimensions):
        assert d.low <= actions[..., i].min()
        assert actions[..., i].max() < d.high


@pytest.mark.parametrize("tokenizer", UNEVEN)
def test_a_mean_is_the_angle_of_the_expected_point(tokenizer):
    policy = policy_of(tokenizer)
    logits = logits_of(policy, 2.0)
    p, values = logits.double().softmax(-1), policy.tokenizer.values().double()
    actions = policy.decode(Prediction(logits), "mean").actions.flatten(1)
    for position, period in ((1, 2 * math.pi), (2, 360.0), (4, 2 * math.pi)):
        points = torch.exp(2j * math.pi * values[position] / period)
        for row in range(8):
            expected = complex((p[row, position] * points).sum())
            if abs(expected) > 0.05:
                off = 2 * math.pi * actions[row, position].item() / period - cmath.phase(expected)
                assert abs(math.remainder(off, 2 * math.pi)) < 1e-4


@pytest.mark.parametrize("rule", ["mean", "local_mean"])
@pytest.mark.parametrize("tokenizer", UNEVEN)
def test_a_value_is_given_the_token_that_it_is_cut_into(tokenizer, rule):
    policy = policy_of(tokenizer)
    logits = logits_of(policy, 1.0)
    whole = policy.tokenizer.tokens_per_chunk
    choice = choose(logits, policy._meaning(torch.device("cpu"), rule, 0, whole), rule)
    assert torch.equal(choice.tokens, policy.tokenizer.encode(policy.tokenizer.to_actions(choice.values)))


def circle(seed, count, lacking):
    """Return values, boundaries, period and which tokens there are, of bins whose widths differ hundredfold."""
    draw = torch.Generator().manual_seed(seed)
    widths = 10 ** (2 * torch.rand(count, generator=draw, dtype=torch.float64))
    edges = torch.cat([torch.zeros(1, dtype=torch.float64), widths.cumsum(0)]) - 5
    valid = torch.arange(count) < count - lacking
    period = edges[count - lacking] - edges[0]
    values = (edges[1:] + edges[:-1]) / 2
    p = torch.softmax(3 * torch.randn(4, 1, count, generator=draw, dtype=torch.float64).masked_fill(~valid, -1e4), -1)
    return values[None], edges[None], period[None], valid[None], p


@given(seeds, st.integers(2, 40), st.integers(0, 3))
def test_a_median_has_the_least_expected_arc(seed, count, lacking):
    lacking = min(lacking, count - 1)
    values, edges, period, valid, p = circle(seed, count, lacking)
    circles = Circles.find(values, period, edges, valid if lacking else None)
    token = circles.median(p)[:, 0]
    apart = (values[0, :, None] - values[0]).abs()
    arcs = torch.minimum(apart, (period - apart).abs())
    risk = (p[:, 0] @ arcs).masked_fill(~valid, math.inf)
    chosen = risk.gather(1, token[:, None])[:, 0]
    assert valid[0, token].all()
    assert torch.allclose(chosen, risk.amin(1), rtol=0, atol=1e-8 * period.item())


def test_of_equal_risks_the_first_token_is_taken():
    centres = torch.arange(8, dtype=torch.float64)[None]
    circles = Circles.find(centres, torch.tensor([8.0]), torch.arange(9, dtype=torch.float64)[None] - 0.5, None)
    assert circles.median(torch.full((1, 1, 8), 1 / 8)).item() == 0


def test_where_values_go_round_it_must_be_told_where_they_begin():
    with pytest.raises(ValueError, match="where their tokens begin"):
        Meanings(torch.arange(8.0)[None], torch.tensor([8.0]), torch.tensor([False]))


@given(seeds, st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_risks_by_group_are_those_of_each_position(seed, groups):
    draw = torch.Generator().manual_seed(seed)
    tables, p = torch.rand(5, 6, 6, generator=draw), torch.rand(3, len(groups), 6, generator=draw)
    chosen = torch.tensor(groups)
    found = RiskTables.of(tables, chosen).risk(p)
    torch.testing.assert_close(found, torch.einsum("bnv,nvw->bnw", p, tables[chosen]))


@pytest.mark.parametrize("tokenizer", ["per_dimension", "quantile"])
@pytest.mark.parametrize("rule", ["median", "min_risk", "mean", "local_mean"])
def test_positions_by_themselves_are_decoded_as_all_together(tokenizer, rule):
    policy = policy_of(tokenizer, distance={"name": "squared"})
    logits, length = logits_of(policy, 2.0), policy.tokenizer.tokens_per_chunk
    device = torch.device("cpu")
    whole = choose(logits, policy._meaning(device, rule, 0, length), rule)
    for first, count in ((0, 3), (3, 3), (4, 1), (7, 2)):
        meaning = policy._meaning(device, rule, first, count)
        part = choose(logits[:, first : first + count], meaning, rule)
        assert torch.equal(part.tokens, whole.tokens[:, first : first + count])
        assert torch.equal(part.values, whole.values[:, first : first + count])


def test_there_is_one_table_of_distances_for_all_steps():
    policy = policy_of("quantile", distance={"name": "squared"})
    tables = policy._meaning(torch.device("cpu"), "min_risk", 0, 9).risks.tables
    assert tables.shape == (3, 16, 16)
    for first, count in ((0, 3), (6, 3), (4, 1)):  # parts hold no copy
        part = policy._meaning(torch.device("cpu"), "min_risk", first, count).risks.tables
        assert part.untyped_storage().data_ptr() == tables.untyped_storage().data_ptr()


def test_on_another_device_it_means_the_same():
    meaning = policy_of("quantile")._meaning(torch.device("cpu"), "mean", 0, 9)
    again = meaning.to(torch.device("cpu"))
    assert torch.equal(again.circles.half, meaning.circles.half)
    assert replace(again, log_widths=None).circles.positions.tolist() == [1, 2, 4, 5, 7, 8]
