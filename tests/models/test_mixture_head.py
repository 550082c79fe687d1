"""Laws of the mixture head: its logits are the log density of K bumps at the values of V tokens."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dist2_robot.distances.points import TokenPoints
from dist2_robot.models.mixture_density import mixture_density
from dist2_robot.models.mixture_head import KINDS, MixtureHead

WIDTH, L, V = 5, 2, 32
EVEN = torch.linspace(-1.0, 1.0, V).repeat(L, 1)
UNEVEN = (torch.rand(L, V, generator=torch.Generator().manual_seed(0)) + 0.05).cumsum(-1) * 7 + 100

seeds = st.integers(0, 2**31)
kinds = pytest.mark.parametrize("kind", KINDS)


def make(values=EVEN, components=3, period=None, reach=0.0, **arguments):
    """Return a head whose means roam, unless told otherwise."""
    arguments["reach"] = reach
    return MixtureHead(WIDTH, TokenPoints.of_values(values, period), components=components, **arguments).double()


def min_scale(head):
    """Return the smallest scale, on the axis from -1 to 1."""
    return head.min_scale_bins * 2 / (V - 1)


def features(rows=2, scale=1.0, dtype=torch.float64):
    return scale * torch.randn(rows, L, WIDTH, dtype=dtype)


def axis(values):
    """Return the values brought to [-1, 1] at each position, (L, V)."""
    values = values.double()
    return 2 * (values - values[:, :1]) / (values[:, -1:] - values[:, :1]) - 1


def plain_logits(head, values, x):
    """Return the log density as it is written in a book, with autograd left to find the gradients."""
    log_weight, mean, raw_scale = head.linear(x)[..., None].chunk(3, dim=-2)  # (B, L, K, 1)
    scale = F.softplus(raw_scale) + min_scale(head)
    z = (axis(values)[:, None, :] - mean) / scale
    density = (torch.sigmoid(z) * torch.sigmoid(-z) if head.kind == "logistic" else torch.exp(-(z**2) / 2)) / scale
    return (torch.softmax(log_weight, dim=-2) * density).sum(dim=-2).log() + widths(values).log()


def widths(values):
    """Return how wide the bins of these centres are, the edges halfway between neighbours, (L, V)."""
    x = axis(values)
    inner = (x[:, 1:] + x[:, :-1]) / 2
    edges = torch.cat([2 * x[:, :1] - inner[:, :1], inner, 2 * x[:, -1:] - inner[:, -1:]], dim=1)
    return edges.diff(dim=1)


def fixed(components, values=EVEN, **arguments):
    """Return a head that predicts these (weight, mean, scale), whatever it sees."""
    head = make(values, len(components), **arguments)
    smallest = head.min_scale_bins * 2 / (values.shape[-1] - 1)
    weight, mean, scale = torch.tensor(components, dtype=torch.float64).T
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.copy_(torch.cat([weight.log(), mean, (scale - smallest).expm1().log()]))
    return head


def probabilities(head):
    return torch.softmax(head(features(1)), -1)[0]  # (L, V)


@pytest.mark.parametrize("values", [EVEN, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("components", [1, 3, 5])
@kinds
def test_logits_are_the_log_mass_of_each_bin_up_to_a_constant(values, components, kind):
    head, x = make(values, components, kind=kind), features(4, scale=2.0)
    difference = head(x) - plain_logits(head, values, x)
    assert (difference.amax(-1) - difference.amin(-1)).max().item() < 1e-4  # places are kept in 32 bits


@pytest.mark.parametrize("components", [1, 3])
@kinds
def test_gradients_equal_those_of_the_plain_formula(components, kind):
    head, x = make(components=components, kind=kind), features(3).requires_grad_()
    direction = torch.randn(3, L, V, dtype=torch.float64)
    inputs = (x, head.linear.weight, head.linear.bias)
    ours, plain = (
        torch.autograd.grad((torch.log_softmax(logits, -1) * direction).sum(), inputs)
        for logits in (head(x), plain_logits(head, EVEN, x))
    )
    for mine, expected in zip(ours, plain, strict=True):
        assert torch.allclose(mine, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("period", [None, 2.2])
@kinds
@settings(max_examples=20)
@given(seed=seeds)
def test_the_hand_written_gradient_equals_finite_differences(kind, period, seed):
    torch.manual_seed(seed)
    height, mean = torch.randn(2, L, 3).double(), torch.randn(2, L, 3).double()
    scale, points = torch.rand(2, L, 3).double() * 20 + 0.1, (torch.rand(L, 7).double() * 2 - 1)
    lengths = None if period is None else torch.tensor([[period], [math.inf]]).double()
    if period is not None:  # opposite to a mean the density has a corner: nothing to differentiate there
        apart = torch.remainder(points[..., None, :] - mean[..., None], period)
        assume((apart - period / 2)[:, 0].abs().min() > 1e-4)
    inputs = [x.requires_grad_() for x in (height, mean, scale)]
    assert torch.autograd.gradcheck(lambda *x: mixture_density(KINDS[kind], *x, points, lengths), inputs)


@pytest.mark.parametrize("values", [EVEN, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("reach", [0.0, 1.3])
@kinds
def test_gradients_equal_finite_differences(values, reach, kind):
    head = make(values, 2, kind=kind, reach=reach)
    assert torch.autograd.gradcheck(lambda x: torch.log_softmax(head(x), -1), (features(1, 3.0).requires_grad_(),))


@kinds
@given(mean=st.floats(-0.8, 0.8), scale=st.floats(0.05, 0.3), weight=st.floats(0.1, 0.9))
def test_with_small_bins_it_is_the_difference_of_cumulative_distributions(kind, mean, scale, weight):
    values = torch.linspace(-1, 1, 1024)[None]
    components = [(weight, mean, scale), (1 - weight, -mean, 2 * scale)]
    half = 1 / 1023
    edges = torch.linspace(-1 - half, 1 + half, 1025, dtype=torch.float64)
    distribution = torch.sigmoid if kind == "logistic" else torch.special.ndtr
    cumulative = sum(w * distribution((edges - m) / s) for w, m, s in components)
    mass = cumulative.diff() / (cumulative[-1] - cumulative[0])
    head = fixed(components, values, kind=kind)
    predicted = torch.softmax(head(features(1)[:, :1]), -1)[0, 0]
    assert torch.allclose(predicted, mass, rtol=1e-3, atol=1e-9)


@given(seeds)
def test_the_order_of_components_does_not_matter(seed):
    head, x = make(), features()
    before = head(x)
    order = torch.randperm(3, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in (head.linear.weight, head.linear.bias):
            by_component = parameter.unflatten(0, (3, 3))  # (weights, means, scales) of each component
            parameter.copy_(by_component[:, order].flatten(0, 1))
    assert torch.allclose(head(x), before)


@kinds
@given(mean=st.floats(-0.9, 0.9), scale=st.floats(0.02, 0.5))
def test_mass_gathers_round_the_mean_and_falls_off_to_both_sides(kind, mean, scale):
    for row in probabilities(fixed([(1.0, mean, scale)], kind=kind)):
        mode = row.argmax().item()
        assert abs(EVEN[0, mode].item() - mean) <= 1 / (V - 1) + 1e-6
        assert (row[: mode + 1].diff() >= 0).all()
        assert (row[mode:].diff() <= 0).all()  # a tie where the mean is half-way between two tokens


def test_neighbours_share_what_is_learned():
    head = fixed([(0.6, -0.1, 0.2), (0.4, 0.1, 0.3)])
    before = torch.log_softmax(head(features(1)), -1)
    before[..., 24].sum().backward()
    with torch.no_grad():
        head.linear.bias += 1e-4 * head.linear.bias.grad
    gain = torch.log_softmax(head(features(1)), -1) - before
    assert (gain[..., [22, 23, 24, 25, 26]] > 0).all()


@given(st.sampled_from([-1, 1]), st.floats(1.5, 50), st.floats(0.001, 0.3))
def test_the_edge_takes_what_lies_beyond(side, beyond, scale):
    head = fixed([(1.0, side * beyond, scale)], min_scale_bins=0.01)
    edge = V - 1 if side > 0 else 0
    for row in probabilities(head):
        assert row.argmax() == edge
        assert (side * row.diff() >= 0).all()
        # An exponential tail: of two neighbours the outer one has exp(bin / scale) times the mass.
        assert row[edge].item() == pytest.approx(1 - math.exp(-2 / (V - 1) / scale), abs=0.1)


def test_all_components_keep_their_mass():
    row = probabilities(fixed([(0.7, -0.5, 0.03), (0.3, 0.5, 0.03)]))[0]
    assert [row[: V // 2].sum().item(), row[V // 2 :].sum().item()] == pytest.approx([0.7, 0.3], abs=0.01)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("components", [1, 3])
@pytest.mark.parametrize("arguments", [{}, {"reach": 1.0}, {"period": 64 / 31}], ids=["line", "reach", "circle"])
@kinds
def test_it_stays_finite_for_huge_and_tiny_scales_and_far_means(scale, components, arguments, kind):
    head = make(components=components, kind=kind, **arguments).float()
    x = features(64, dtype=torch.float32).requires_grad_()
    logits = head(scale * x)
    F.cross_entropy(logits.flatten(0, 1), torch.randint(V, (64 * L,))).backward()
    assert torch.isfinite(logits).all()
    for gradient in (x.grad, head.linear.weight.grad, head.linear.bias.grad):
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("scale", [0.017, 0.1, 10.0])
@pytest.mark.parametrize("mean", [-50.0, -1.0, 1.0, 50.0])
def test_a_far_target_can_be_learned(mean, scale):
    head = fixed([(1.0, mean, scale)]).float()
    target = torch.full((L,), 0 if mean > 0 else V - 1)
    loss = F.cross_entropy(head(features(1, dtype=torch.float32)).flatten(0, 1), target)
    loss.backward()
    assert math.isfinite(loss.item())
    _, to_mean, to_scale = (-head.linear.bias.grad).tolist()
    # Towards the target where the mean is within the limits. Beyond them, where only the slope of a tail is
    # seen, the tail gets flatter.
    if abs(mean) <= 1:
        assert to_mean * math.copysign(1, mean) < -1e-3 / scale
    else:
        assert to_scale > 1e-4


@pytest.mark.parametrize("values", [EVEN.flip(-1), EVEN.clone().index_fill_(1, torch.tensor([3, 4]), 0.0)])
def test_values_that_do_not_increase_are_refused(values):
    with pytest.raises(ValueError, match="increase"):
        MixtureHead(WIDTH, TokenPoints.of_values(values))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"components": 0}, "at least one component"),
        ({"kind": "normal"}, "'gaussian', 'logistic'.*'normal'"),
        ({"reach": 0.5}, "more than 0.5"),
        ({"reach": math.nan}, "more than 0.5"),
    ],
)
def test_what_makes_no_mixture_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_the_width_of_a_token_is_that_between_its_edges():
    """Not half-way between neighbours: the outermost tokens may be of any width."""
    points = TokenPoints.of_values(EVEN[:1])
    edges = points.edges.clone()
    edges[0, 0] -= 0.3
    head = MixtureHead(WIDTH, replace(points, edges=edges)).double()
    widths = edges.diff(dim=1)
    assert torch.allclose(head.tokens.log_width.double(), (widths / widths.mean()).log(), atol=1e-6)
    assert make().tokens.log_width is None  # equal bins cost nothing


PERIOD = 2.0 * V / (V - 1)  # of V bins whose centres span [-1, 1]
wrapping = {"period": PERIOD}


@kinds
@given(turns=st.integers(-5, 5), mean=st.floats(-1, 1), scale=st.floats(0.02, 0.5))
def test_on_a_circle_a_mean_moved_by_whole_turns_is_the_same_mean(kind, turns, mean, scale):
    here = fixed([(0.7, mean, scale), (0.3, -mean, scale)], kind=kind, **wrapping)
    there = fixed([(0.7, mean + turns * PERIOD, scale), (0.3, -mean, scale)], kind=kind, **wrapping)
    # Opposite to the mean, which side is nearer is decided by rounding, and both give the same.
    assert torch.allclose(probabilities(here), probabilities(there), atol=1e-5)


@kinds
@given(bins=st.integers(-40, 40), scale=st.floats(0.02, 0.5), mean=st.floats(-1, 1))
def test_a_circle_has_no_ends(kind, bins, scale, mean):
    """A mean moved by some bins moves all probabilities by as many, over the ends too."""
    here = probabilities(fixed([(1.0, mean, scale)], kind=kind, **wrapping))
    moved = probabilities(fixed([(1.0, mean + bins * PERIOD / V, scale)], kind=kind, **wrapping))
    assert torch.allclose(here.roll(bins, dims=-1), moved, atol=1e-4)


def test_both_ends_are_neighbours_only_where_values_wrap():
    points = TokenPoints.of_values(EVEN)
    points.periods[0] = PERIOD
    head = MixtureHead(WIDTH, points, components=3, reach=0.0).double()
    head.load_state_dict(fixed([(1.0, 1.0, 0.05)] * 3).state_dict())
    circle, line = probabilities(head)
    assert circle[0].item() == pytest.approx(circle[-2].item(), rel=1e-4)
    assert line[0] < 1e-6
    assert torch.allclose(line, probabilities(fixed([(1.0, 1.0, 0.05)] * 3))[1], atol=1e-9)


@pytest.mark.parametrize("components", [1, 4, 8])
@given(st.floats(-100, 100), st.floats(0.6, 2.0))
def test_a_mean_stays_within_reach_of_its_anchor(components, pull, reach):
    head = make(components=components, reach=reach)
    cell = 2 / components
    for k in range(components):
        with torch.no_grad():
            head.linear.weight.zero_()
            head.linear.bias[:components] = -100.0
            head.linear.bias[k] = 0.0  # only this one counts
            head.linear.bias[components + k] = pull
            head.linear.bias[2 * components :] = -6.0
        anchor = (k + 0.5) * cell - 1
        expected = anchor + reach * cell * math.tanh(pull)
        if abs(expected) < 0.8:
            assert (probabilities(head)[0] * EVEN[0]).sum().item() == pytest.approx(expected, abs=0.03)


def test_half_way_between_two_answers_it_believes_in_both_and_not_in_their_mean():
    """Two inputs with opposite answers are learned; for the input between them roaming means end up in between."""
    inputs = torch.eye(WIDTH)[:2, None].expand(2, L, -1)
    targets = torch.tensor([[9], [22]]).expand(2, L)
    between = {}
    for name, head in {"anchored": make(components=8, reach=1.0), "roaming": make(components=1)}.items():
        optimizer = torch.optim.Adam(head.parameters(), 0.02)
        for _ in range(300):
            optimizer.zero_grad()
            F.cross_entropy(head(inputs.double()).flatten(0, 1), targets.flatten()).backward()
            optimizer.step()
        p = torch.softmax(head(inputs.double().mean(0, keepdim=True)), -1)[0, 0]
        between[name] = [p[part].sum().item() for part in (slice(0, 13), slice(13, 19), slice(19, V))]
    left, middle, right = between["anchored"]
    assert min(left, right) > 0.2
    assert middle < 0.1
    assert between["roaming"][1] > 0.5
