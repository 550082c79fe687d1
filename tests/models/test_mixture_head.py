"""Laws of the mixture head: its logits are the log density of logistics at the token values. V tokens, K components."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.points import TokenPoints
from dist2_robot.models.mixture_head import MixtureHead

WIDTH, L, V = 5, 2, 32
EVEN = torch.linspace(-1.0, 1.0, V).repeat(L, 1)
UNEVEN = (torch.rand(L, V, generator=torch.Generator().manual_seed(0)) + 0.05).cumsum(-1) * 7 + 100

seeds = st.integers(0, 2**31)


def make(values=EVEN, components=3, **arguments):
    return MixtureHead(WIDTH, TokenPoints.of_values(values), components, **arguments).double()


def features(rows=2, scale=1.0, dtype=torch.float64):
    return scale * torch.randn(rows, L, WIDTH, dtype=dtype)


def axis(values):
    """Return the values brought to [-1, 1] at each position, (L, V)."""
    values = values.double()
    return 2 * (values - values[:, :1]) / (values[:, -1:] - values[:, :1]) - 1


def plain_logits(head, values, x):
    """Return the log density as it is written in a book, with autograd left to find the gradients."""
    log_weight, mean, raw_scale = head.linear(x)[..., None].chunk(3, dim=-2)  # (B, L, K, 1)
    scale = F.softplus(raw_scale) + head.min_scale
    z = (axis(values)[:, None, :] - mean) / scale
    density = torch.sigmoid(z) * torch.sigmoid(-z) / scale
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
    weight, mean, scale = torch.tensor(components, dtype=torch.float64).T
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.copy_(torch.cat([weight.log(), mean, (scale - head.min_scale).expm1().log()]))
    return head


def probabilities(head):
    return torch.softmax(head(features(1)), -1)[0]  # (L, V)


@pytest.mark.parametrize("values", [EVEN, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("components", [1, 3, 5])
def test_logits_are_the_log_mass_of_each_bin_up_to_a_constant(values, components):
    head, x = make(values, components), features(4, scale=2.0)
    difference = head(x) - plain_logits(head, values, x)
    assert (difference.amax(-1) - difference.amin(-1)).max().item() < 1e-5  # positions are kept in 32 bits


@pytest.mark.parametrize("components", [1, 3])
def test_gradients_equal_those_of_the_plain_formula(components):
    head, x = make(components=components), features(3).requires_grad_()
    direction = torch.randn(3, L, V, dtype=torch.float64)
    inputs = (x, head.linear.weight, head.linear.bias)
    ours, plain = (
        torch.autograd.grad((torch.log_softmax(logits, -1) * direction).sum(), inputs)
        for logits in (head(x), plain_logits(head, EVEN, x))
    )
    for mine, expected in zip(ours, plain, strict=True):
        assert torch.allclose(mine, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("values", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_gradients_equal_finite_differences(values):
    head = make(values, 2)
    assert torch.autograd.gradcheck(lambda x: torch.log_softmax(head(x), -1), (features(1).requires_grad_(),))


@given(st.floats(-0.8, 0.8), st.floats(0.05, 0.3), st.floats(0.1, 0.9))
def test_with_small_bins_it_is_the_difference_of_cumulative_distributions(mean, scale, weight):
    values = torch.linspace(-1, 1, 1024)[None]
    components = [(weight, mean, scale), (1 - weight, -mean, 2 * scale)]
    half = 1 / 1023
    edges = torch.linspace(-1 - half, 1 + half, 1025, dtype=torch.float64)
    cumulative = sum(w * torch.sigmoid((edges - m) / s) for w, m, s in components)
    mass = cumulative.diff() / (cumulative[-1] - cumulative[0])
    head = fixed(components, values)
    predicted = torch.softmax(head(features(1)[:, :1]), -1)[0, 0]
    assert torch.allclose(predicted, mass, rtol=1e-3)


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


@given(st.floats(-1e3, 1e3), st.floats(0.01, 1e3))
def test_the_unit_of_the_values_does_not_matter(offset, unit):
    head, x = make(), features()
    other = make(EVEN.double() * unit + offset)
    other.load_state_dict(head.state_dict())
    assert torch.allclose(other(x), head(x), atol=1e-4)


@given(st.floats(-0.9, 0.9), st.floats(0.02, 0.5))
def test_mass_gathers_round_the_mean_and_falls_off_to_both_sides(mean, scale):
    for row in probabilities(fixed([(1.0, mean, scale)])):
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
def test_it_stays_finite_for_huge_and_tiny_scales_and_far_means(scale, components):
    head = make(components=components).float()
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


def test_every_position_is_predicted_from_its_own_features():
    head, x = make(), features()
    changed = x.clone()
    changed[0, 1] += 1.0
    difference = (head(changed) - head(x)).abs().amax(-1)
    assert difference[0, 1] > 0
    assert difference.flatten()[[0, 2, 3]].max() == 0


@pytest.mark.parametrize("values", [EVEN.flip(-1), EVEN.clone().index_fill_(1, torch.tensor([3, 4]), 0.0)])
def test_values_that_do_not_increase_are_refused(values):
    with pytest.raises(ValueError, match="increase"):
        MixtureHead(WIDTH, TokenPoints.of_values(values))


def test_a_mixture_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one component"):
        MixtureHead(WIDTH, TokenPoints.of_values(EVEN), components=0)
