"""Laws of all tokenizers whose tokens stand for numbers, as the registry builds them."""

import math

import pytest
import torch

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.registry import build_tokenizer
from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.squared import SquaredDistance

SPEC = ActionSpec(
    (
        ActionDimension("x", "ee_position", "mm", 100.0, 103.0, tolerance=0.05),
        ActionDimension("claw", "gripper", "m", 0.0, 0.08),
        ActionDimension("yaw", "ee_rotation", "rad", -math.pi, math.pi, wraps=True),
    ),
    "absolute",
    10.0,
    "file",
)
T = 8
ARGUMENTS = {
    "uniform": {"bins": 64},
    "quantile": {"bins": 64},
    "mu_law": {"bins": 64},
    "gaussian": {"bins": 64},
    "per_dimension": {"bins": [64, 2, 33]},
    "digits": {"base": 4, "digits": 3},
    "dct": {"bins": 64, "coefficients": 5},
    "bspline": {"bins": 64, "control_points": 5},
}
TRANSFORMED = ("dct", "bspline")


def movements(count=200):
    """Return the same smooth chunks (N, T, 3) every time; the yaw crosses its seam in many of them."""
    time = torch.linspace(0, 1, T, dtype=torch.float64)[:, None]
    numbers = torch.rand(3, count, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    start, speed, bend = numbers - 0.5
    share = 0.5 + 0.5 * start + 0.2 * speed * time + 0.2 * bend * time**2
    low = torch.tensor([100.0, 0.0, math.pi], dtype=torch.float64)
    span = torch.tensor([3.0, 0.08, 2 * math.pi], dtype=torch.float64)
    moves = low + span * share
    moves[..., 2] = torch.remainder(moves[..., 2] + math.pi, 2 * math.pi) - math.pi
    return moves


@pytest.fixture(params=[(name, fitted) for name in ARGUMENTS for fitted in (False, True)], ids=str)
def tokenizer(request):
    name, fitted = request.param
    made = build_tokenizer(SPEC, {"name": name, "horizon": T, **ARGUMENTS[name]})
    if fitted:
        made.fit(movements())
    return made


def apart(a, b):
    """Return |a - b| (..., 3), for the yaw the short way round."""
    difference = (a - b).abs()
    turn = difference[..., 2] % (2 * math.pi)
    difference[..., 2] = torch.minimum(turn, 2 * math.pi - turn)
    return difference


def test_tokens_of_movements_survive_the_way_back(tokenizer):
    tokens = tokenizer.encode(movements())
    assert tokens.shape == (200, tokenizer.tokens_per_chunk)
    assert 0 <= tokens.min() <= tokens.max() < tokenizer.vocab_size
    assert torch.equal(tokenizer.encode(tokenizer.decode(tokens)), tokens)


def test_what_tokens_mean_is_what_they_decode_to(tokenizer):
    tokens = tokenizer.encode(movements())
    meant = tokenizer.values().expand(len(tokens), -1, -1).gather(-1, tokens[..., None]).squeeze(-1)
    assert apart(tokenizer.to_actions(meant), tokenizer.decode(tokens)).max() < 1e-4


def test_values_and_actions_are_two_forms_of_the_same_numbers(tokenizer):
    actions = movements()
    back = tokenizer.to_actions(tokenizer.to_values(actions))
    assert back.dtype == actions.dtype
    lost = apart(back, actions)
    assert lost.max() < (0.03 if tokenizer.config()["name"] in TRANSFORMED else 1e-9)  # 5 numbers in place of 8


def test_a_value_lies_in_the_bin_of_its_token(tokenizer):
    """Encoding is cutting `to_values` at the edges of `points`, but for the constant that digits leave out."""
    actions, points = movements(), tokenizer.points()
    tokens = tokenizer.encode(actions)
    scaled = tokenizer.to_values(actions) / points.tolerances[points.groups]
    lower = points.edges[points.groups].expand(len(tokens), -1, -1).gather(-1, tokens[..., None]).squeeze(-1)
    upper = points.edges[points.groups].expand(len(tokens), -1, -1).gather(-1, tokens[..., None] + 1).squeeze(-1)
    periods = points.periods[points.groups]
    turns = torch.where(periods.isfinite(), ((scaled - lower + 1e-9) / periods).floor() * periods, 0.0)
    scaled = scaled - turns.nan_to_num()
    assert (scaled >= lower - 1e-6).all()
    assert (scaled <= upper + 1e-6).all()


def test_points_are_the_values_in_tolerances(tokenizer):
    points = tokenizer.points()
    in_units = points.points[points.groups, :, 0] * points.tolerances[points.groups, None]
    assert torch.allclose(in_units, tokenizer.values().double(), rtol=1e-6, atol=1e-9)
    assert (points.points.diff(dim=1) > 0).all()
    assert (points.edges.diff(dim=1) > 0).all()
    assert (points.edges[:, :-1] < points.points[..., 0]).all()
    assert (points.edges[:, 1:] > points.points[..., 0]).all()
    assert len(points.groups) == tokenizer.tokens_per_chunk
    in_periods = points.periods[points.groups] * points.tolerances[points.groups]
    assert torch.allclose(in_periods.float(), tokenizer.periods())


@pytest.mark.parametrize("distance", [AbsoluteDistance(), SquaredDistance("bins")])
def test_distances_obey_their_axioms(tokenizer, distance):
    table = tokenizer.distances(distance).distances
    assert torch.equal(table, table.mT)
    assert not table.diagonal(dim1=1, dim2=2).any()


def test_what_is_out_of_range_decodes_near_the_limit_that_it_crossed(tokenizer):
    step = torch.zeros(2, T, 3, dtype=torch.float64)
    step[0, :, :2], step[1, :, :2] = -1e6, 1e6
    low, high = tokenizer.decode(tokenizer.encode(step))[..., :2].double().unbind()
    middle = torch.tensor([101.5, 0.04])
    assert (low < middle).all()
    assert (high > middle).all()


def test_a_whole_turn_changes_no_token(tokenizer):
    actions = movements()
    turned = actions + torch.tensor([0.0, 0.0, 2 * math.pi])
    assert (
        tokenizer.encode(turned) == tokenizer.encode(actions)
    ).float().mean() > 0.999  # on an edge, rounding decides


def test_decoded_actions_are_within_the_limits(tokenizer):
    points = tokenizer.points()
    count = torch.full_like(points.groups, tokenizer.vocab_size)
    if points.valid is not None:
        count = points.valid.sum(dim=1)[points.groups]
    tokens = (torch.rand(500, tokenizer.tokens_per_chunk) * count).long()
    actions = tokenizer.decode(tokens).double()
    low, high = torch.tensor([[d.low, d.high] for d in SPEC.dimensions], dtype=torch.float64).T
    assert (actions >= low - 1e-5).all()
    assert (actions <= high + 1e-5).all()


def test_what_was_fitted_travels_with_the_state(tokenizer):
    other = build_tokenizer(SPEC, tokenizer.config())
    other.load_state_dict(tokenizer.state_dict())
    tokens = tokenizer.encode(movements())
    assert torch.equal(other.encode(movements()), tokens)
    assert torch.equal(other.decode(tokens), tokenizer.decode(tokens))
    assert torch.equal(other.values(), tokenizer.values())
    assert other.config() == tokenizer.config()


def test_encoding_leaves_the_actions_as_they_were(tokenizer):
    actions = movements()
    before = actions.clone()
    tokenizer.encode(actions)
    tokenizer.to_values(actions)
    assert torch.equal(actions, before)


def test_padding_counts_whole_steps_or_nothing(tokenizer):
    is_padding = torch.zeros(2, T, dtype=torch.bool)
    is_padding[1, 5:] = True
    mask = tokenizer.padding_mask(is_padding)
    assert mask.shape == (2, tokenizer.tokens_per_chunk)
    assert not mask[0].any()
    whole_chunk = tokenizer.config()["name"] in TRANSFORMED
    assert mask[1].float().mean().item() == pytest.approx(0.0 if whole_chunk else 3 / T)


@pytest.mark.fault("D2")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_actions_that_are_not_finite_are_refused(tokenizer, bad):
    actions = movements(2)
    actions[1, 3, 0] = bad
    with pytest.raises(ValueError, match="not finite"):
        tokenizer.encode(actions)


def test_a_constant_chunk_can_be_fitted(tokenizer):
    still = torch.tensor([102.0, 0.08, math.pi]).double().expand(50, T, 3)
    tokenizer.fit(still)
    assert apart(tokenizer.decode(tokenizer.encode(still)).double(), still).max() < 0.3


def test_no_chunk_at_all_is_refused_where_something_is_fitted(tokenizer):
    if tokenizer.config()["name"] in ("uniform", "mu_law", "per_dimension", "digits"):
        tokenizer.fit(torch.zeros(0, T, 3))
    else:
        with pytest.raises(ValueError, match="no whole chunk"):
            tokenizer.fit(torch.zeros(0, T, 3))


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("horizon", [1, 2, 3, 5])
def test_chunks_may_be_short(name, horizon):
    arguments = {k: v for k, v in ARGUMENTS[name].items() if k not in ("coefficients", "control_points")}
    tokenizer = build_tokenizer(SPEC, {"name": name, "horizon": horizon, **arguments})
    actions = movements()[:, :horizon]
    tokenizer.fit(actions)
    error = apart(tokenizer.decode(tokenizer.encode(actions)).double(), actions)
    assert (error < torch.tensor([0.4, 0.04, 1.0])).all()
    assert (error.mean(dim=(0, 1)) < torch.tensor([0.05, 0.025, 0.12])).all()
