"""Laws of chunks that are written as coefficients, whatever the transform. T steps, K coefficients."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.tokenizers.bspline import BsplineTokenizer
from dist2_robot.tokenizers.dct import DctTokenizer
from dist2_robot.tokenizers.uniform import UniformTokenizer

X = ActionDimension("x", "ee_position", "cm", -1.0, 3.0, tolerance=0.05)
CLAW = ActionDimension("claw", "gripper", "m", 0.0, 0.08)
YAW = ActionDimension("yaw", "ee_rotation", "rad", -math.pi, math.pi, wraps=True)
T = 8
KINDS = [DctTokenizer, BsplineTokenizer]


def make(kind, *dimensions, count=None, horizon=T, bins=64):
    return kind(ActionSpec(dimensions or (X,), "absolute", 10.0, "file"), horizon, bins, count)


def anywhere(dimension, count=200, horizon=T):
    """Return rough chunks (N, T, 1) that fill the range."""
    share = torch.rand(count, horizon, 1, dtype=torch.float64)
    return dimension.low + share * (dimension.high - dimension.low)


def basis(tokenizer):
    """Return W, (T, K): how far each step moves with each coefficient, measured in the middle of the range."""
    zero = tokenizer.to_values(torch.full((1, tokenizer.horizon, 1), 1.0, dtype=torch.float64))
    moved = zero + 0.1 * torch.eye(zero.shape[-1], dtype=torch.float64)
    return ((tokenizer.to_actions(moved) - tokenizer.to_actions(zero)) / 0.1)[..., 0].T


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@given(st.sampled_from(KINDS), st.integers(1, T), st.integers(2, 300), st.booleans())
def test_a_coefficient_errs_by_half_its_bin(kind, count, bins, fit):
    tokenizer, actions = make(kind, count=count, bins=bins), anywhere(X)
    if fit:
        tokenizer.fit(actions)
    tokens = tokenizer.encode(actions)
    chosen = tokenizer.values().expand(len(tokens), -1, -1).gather(-1, tokens[..., None]).squeeze(-1)
    points = tokenizer.points()
    half = (points.edges.diff(dim=1)[:, 0] / 2 * points.tolerances)[points.groups]
    assert ((chosen - tokenizer.to_values(actions)).abs() <= half * (1 + 1e-6) + 1e-5).all()


def test_each_token_grows_with_its_own_coefficient_alone(kind):
    tokenizer = make(kind, count=5)
    directions = basis(tokenizer)
    amount = torch.linspace(-0.5, 0.5, 41, dtype=torch.float64)
    off_edges = torch.full((5, 1), 0.0137, dtype=torch.float64)
    for k in range(5):
        chunks = 1 + directions @ off_edges + amount[:, None, None] * directions[:, k, None]
        tokens = tokenizer.encode(chunks)
        assert (tokens[:, k].diff() >= 0).all()
        assert tokens[-1, k] > tokens[0, k]
        others = [i for i in range(5) if i != k]
        assert (tokens[:, others] == tokens[:1, others]).all()


def test_coefficients_beyond_what_was_seen_go_to_the_near_edge(kind):
    tokenizer = make(kind, bins=16, count=4)
    tokenizer.fit(1 + 0.1 * anywhere(X))
    directions = basis(tokenizer)
    for k in range(4):
        far = 1 + torch.tensor([[-1.5], [1.5]]).double() * directions[:, k] / directions[:, k].abs().max()
        assert tokenizer.encode(far[..., None])[:, k].tolist() == [0, 15]


def test_ranges_are_those_seen_with_a_margin(kind):
    tokenizer, actions = make(kind), 1 + 0.2 * anywhere(X)
    seen = tokenizer.to_values(actions)
    low, high = seen.amin(dim=0), seen.amax(dim=0)
    tokenizer.fit(actions)
    points = tokenizer.points()
    edges = points.edges * points.tolerances[:, None]
    assert torch.allclose(edges[:, 0], low - 0.05 * (high - low))
    assert torch.allclose(edges[:, -1], high + 0.05 * (high - low))


def test_ranges_stay_within_what_the_limits_allow(kind):
    """The bound of a coefficient is reached by the chunk that sits at the limit which its row asks for."""
    tokenizer = make(kind)
    points = tokenizer.points()
    bounds = points.edges[:, [0, -1]] * points.tolerances[:, None]
    ends = torch.tensor([X.low, X.high], dtype=torch.float64)
    corners = torch.cartesian_prod(*[ends] * T)[..., None]
    coefficients = tokenizer.to_values(corners)
    assert torch.allclose(coefficients.amin(dim=0), bounds[:, 0])
    assert torch.allclose(coefficients.amax(dim=0), bounds[:, 1])
    tokenizer.fit(corners)
    assert torch.allclose(
        tokenizer.points().edges * points.tolerances[:, None], points.edges * points.tolerances[:, None]
    )


@pytest.mark.parametrize("value", [-1.0, 0.7, 3.0])
def test_a_coefficient_that_never_moves_gets_a_tolerance_to_either_side(kind, value):
    tokenizer = make(kind)
    still = torch.full((5, T, 1), value, dtype=torch.float64)
    tokenizer.fit(still)
    points = tokenizer.points()
    assert (points.edges[:, -1] - points.edges[:, 0] <= 2 + 1e-9).all()
    assert (points.edges[:, -1] - points.edges[:, 0] >= 1 - 1e-9).all()
    assert (tokenizer.decode(tokenizer.encode(still)) - value).abs().max() < X.tolerance / 4


def test_far_from_zero_a_dimension_that_never_moves_has_bins_that_float32_can_tell_apart(kind):
    rail = ActionDimension("rail", "ee_position", "mm", 1000.0, 2000.0, tolerance=1e-4)
    tokenizer = make(kind, rail, bins=256)
    still = torch.full((5, T, 1), 1234.5, dtype=torch.float64)
    tokenizer.fit(still)
    assert (tokenizer.values().diff(dim=1) > 0).all()
    assert (tokenizer.decode(tokenizer.encode(still)) - 1234.5).abs().max() < 0.01


@pytest.mark.parametrize("count", [1, 3])
def test_what_is_dropped_decodes_to_its_training_mean(kind, count):
    """All chunks share a shape that K coefficients cannot write; it comes back all the same."""
    shape = 0.3 * torch.tensor([0.0, 1.0, 0.0, -1.0, 2.0, 0.0, 1.0, -2.0], dtype=torch.float64)[:, None]
    actions = 1 + shape + torch.rand(100, 1, 1, dtype=torch.float64) * 0.5
    tokenizer = make(kind, count=count, bins=256)
    before = (tokenizer.decode(tokenizer.encode(actions)) - actions).abs().max()
    tokenizer.fit(actions)
    after = (tokenizer.decode(tokenizer.encode(actions)) - actions).abs().max()
    assert before > 0.2
    assert after < 0.01


@pytest.mark.parametrize("dimension", [X, CLAW, YAW])
def test_one_step_is_one_uniform_bin(kind, dimension):
    one, uniform = make(kind, dimension, horizon=1), UniformTokenizer(make(kind, dimension).spec, 1, 64)
    actions = 3 * (anywhere(dimension, horizon=1) - 0.1)
    assert torch.equal(one.encode(actions), uniform.encode(actions))
    assert torch.allclose(one.decode(one.encode(actions)), uniform.decode(uniform.encode(actions)))


def test_a_chunk_that_crosses_the_seam_goes_the_short_way(kind):
    chunk = (math.pi - 0.2 + 0.05 * torch.arange(T, dtype=torch.float64)).view(1, T, 1)
    tokenizer = make(kind, YAW, bins=1024)
    tokenizer.fit(torch.cat([chunk, chunk - 0.5, chunk + 0.5]))
    wrapped = torch.remainder(chunk + math.pi, 2 * math.pi) - math.pi
    assert (wrapped.diff(dim=1) < -6).any()
    decoded = tokenizer.decode(tokenizer.encode(wrapped)).double()
    error = torch.remainder(decoded - chunk + math.pi, 2 * math.pi) - math.pi
    assert error.abs().max() < 0.02
    assert decoded.min() < -3
    assert decoded.max() > 3


@pytest.mark.parametrize("speed", [-3.0, 3.0])
def test_before_fit_a_chunk_may_turn_on_and_on(kind, speed):
    turning = speed * torch.arange(T, dtype=torch.float64).view(1, T, 1)
    tokenizer = make(kind, YAW, bins=4096, count=T)
    error = tokenizer.decode(tokenizer.encode(turning)).double() - turning
    assert (torch.remainder(error + math.pi, 2 * math.pi) - math.pi).abs().max() < 0.2


def test_positions_stand_coefficient_by_coefficient(kind):
    tokenizer = make(kind, X, CLAW, YAW, count=4)
    assert tokenizer.tokens_per_chunk == 12
    assert tokenizer.tokens_per_query == 3
    assert tokenizer.points().groups.tolist() == list(range(12))
    chunk = torch.cat([torch.full((1, T, 1), v) for v in (1.0, 0.04, 0.0)], dim=-1).double()
    moved = chunk.clone()
    moved[..., 1] += torch.linspace(-0.03, 0.03, T)
    changed = (tokenizer.encode(moved) != tokenizer.encode(chunk)).unflatten(1, (4, 3)).any(dim=1)
    assert changed.tolist() == [[False, True, False]]


def test_nothing_is_padding_and_grippers_are_averaged(kind):
    tokenizer = make(kind, X, CLAW)
    is_padding = torch.arange(T).expand(3, T) > 2
    assert not tokenizer.padding_mask(is_padding).any()
    assert not tokenizer.never_averaged().any()


@pytest.mark.parametrize("count", [0, -1, T + 1])
def test_more_numbers_than_steps_are_refused(kind, count):
    with pytest.raises(ValueError, match=r"must be 1 to 8, as many as a chunk has steps at most, got"):
        make(kind, count=count)


def test_too_little_to_cut_is_refused(kind):
    with pytest.raises(ValueError, match="1 step"):
        make(kind, horizon=0)
    with pytest.raises(ValueError, match="2 bins"):
        make(kind, bins=1)


def test_distances_are_measured_in_tolerances_of_the_coefficient(kind):
    tokenizer = make(kind, X, CLAW)
    table, values = tokenizer.distances(AbsoluteDistance()).distances, tokenizer.values()
    tolerance = torch.tensor([X.tolerance, CLAW.tolerance]).repeat(tokenizer.tokens_per_chunk // 2)
    assert torch.allclose(table[:, 0, -1], (values[:, -1] - values[:, 0]) / tolerance, rtol=1e-4)
