"""Closed forms of DIST2Loss: its target, its minimiser and its limits."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.table import DistanceTable
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.tokenizers.uniform import UniformTokenizer

TOKENS = torch.arange(6)[:, None].expand(6, 2)  # every token at both positions
weights = st.floats(0.01, 10)
temperatures = st.floats(0.05, 20)


def bins(count):
    index = torch.arange(float(count))
    return DistanceTable((index[:, None] - index).square()[None], torch.tensor([0]))


SQUARED = bins(6)
TWO_SCALES = DistanceTable(torch.cat([SQUARED.distances, 3 * SQUARED.distances]), torch.tensor([0, 1]))


def draw(positions=5):
    return torch.randn(positions, 2, 6, dtype=torch.float64, requires_grad=True), torch.randint(6, (positions, 2))


@given(st.integers(1, 200))
def test_without_the_distance_term_it_is_cross_entropy_to_the_bit(positions):
    logits, targets = torch.randn(positions, 2, 6), torch.randint(6, (positions, 2))
    loss = Dist2Loss(TWO_SCALES, tau=1.0, alpha=0.0)(logits, targets).loss
    assert torch.equal(loss, F.cross_entropy(logits.flatten(0, 1), targets.flatten()))


@given(temperatures)
def test_the_target_equals_its_closed_form(tau):
    target = Dist2Loss(TWO_SCALES, tau=tau).target(TOKENS)
    for position, scale in enumerate([1, 3]):
        for truth in range(6):
            mass = [math.exp(-scale * (v - truth) ** 2 / tau) for v in range(6)]
            expected = [m / sum(mass) for m in mass]
            assert target[truth, position].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-7)


@given(temperatures)
def test_the_target_is_a_distribution_with_its_mode_at_the_truth_and_falls_with_distance(tau):
    target = Dist2Loss(TWO_SCALES, tau=tau).target(TOKENS)
    assert torch.allclose(target.sum(-1), torch.ones(6, 2))
    assert torch.equal(target.argmax(-1), TOKENS)
    for truth in range(6):
        assert (target[truth, :, truth:].diff(dim=-1) <= 0).all()
        assert (target[truth, :, : truth + 1].diff(dim=-1) >= 0).all()


def test_a_cold_target_is_one_hot():
    for tau in (1e-3, 1e-12):
        loss = Dist2Loss(TWO_SCALES, tau=tau, alpha=1.0, ce_weight=0.0)
        assert torch.equal(loss.target(TOKENS), F.one_hot(TOKENS, 6).float())
        logits, targets = draw()
        expected = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        assert loss(logits, targets).loss.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("tau", [1e9, math.inf])
def test_a_hot_target_is_uniform(tau):
    assert torch.allclose(Dist2Loss(TWO_SCALES, tau=tau).target(TOKENS), torch.full((6, 2, 6), 1 / 6))


def test_the_published_setting_keeps_half_the_target_on_the_truth_whatever_the_bins():
    for count in (32, 256):
        spec = ActionSpec((ActionDimension("x", "joint", "rad", -2.0, 3.0),), "absolute", 30.0, "file")
        tokenizer = UniformTokenizer(spec, horizon=1, bins=count)
        loss = Dist2Loss.paper(tokenizer.distances(SquaredDistance("bins")))
        assert (loss.alpha, loss.ce_weight) == (0.1, 1.0)
        interior = loss.target(torch.tensor([[count // 2]]))
        assert interior.max().item() == pytest.approx(0.5642, abs=1e-3)
        # A Gaussian of half a squared bin, not of one.
        index = torch.arange(count) - count // 2
        assert (interior[0, 0] * index.square()).sum().item() == pytest.approx(0.5, abs=1e-2)


@given(temperatures, st.integers(0, 2**31))
def test_the_divergence_is_not_negative(tau, seed):
    logits = 3 * torch.randn(7, 2, 6, generator=torch.Generator().manual_seed(seed))
    targets = torch.randint(6, (7, 2), generator=torch.Generator().manual_seed(seed))
    assert Dist2Loss(TWO_SCALES, tau=tau)(logits, targets).parts["divergence"].item() >= -1e-6


@given(temperatures)
def test_the_divergence_is_zero_at_the_target(tau):
    loss = Dist2Loss(TWO_SCALES, tau=tau)
    exact = torch.log_softmax(-TWO_SCALES.distances.double() / tau, dim=-1)  # (G, V, V)
    logits = exact[TWO_SCALES.groups.expand_as(TOKENS), TOKENS]
    assert loss(logits, TOKENS).parts["divergence"].item() == pytest.approx(0, abs=1e-6)


@given(weights, weights, temperatures)
def test_it_equals_its_closed_form(alpha, ce_weight, tau):
    loss = Dist2Loss(TWO_SCALES, tau=tau, alpha=alpha, ce_weight=ce_weight)
    logits, targets = draw()
    log_p = torch.log_softmax(logits, -1)
    target = loss.target(targets).double()
    divergence = F.kl_div(log_p, target, reduction="none").sum(-1)
    cross_entropy = -log_p.gather(-1, targets[..., None]).squeeze(-1)
    expected = (ce_weight * cross_entropy + alpha * divergence).mean()
    assert loss(logits, targets).loss.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-5)


def minimiser(loss, targets):
    """Return the distribution that the derivation promises."""
    one_hot = F.one_hot(targets, 6)
    return (loss.ce_weight * one_hot + loss.alpha * loss.target(targets).double()) / (loss.ce_weight + loss.alpha)


@given(st.floats(0.0, 10), weights, temperatures)
def test_the_gradient_vanishes_at_distance_shaped_label_smoothing(ce_weight, alpha, tau):
    loss = Dist2Loss(TWO_SCALES, tau=tau, alpha=alpha, ce_weight=ce_weight)
    logits = minimiser(loss, TOKENS).clamp(min=1e-30).log().requires_grad_()
    loss(logits, TOKENS).loss.backward()
    assert logits.grad.abs().max().item() < 1e-6 * (ce_weight + alpha)


@given(st.floats(0.0, 10), weights, st.integers(0, 2**31))
def test_no_other_distribution_is_better(ce_weight, alpha, seed):
    loss = Dist2Loss(TWO_SCALES, tau=2.0, alpha=alpha, ce_weight=ce_weight)
    best = minimiser(loss, TOKENS).clamp(min=1e-30).log()
    step = torch.randn(best.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert loss(best + 0.3 * step, TOKENS).loss.item() > loss(best, TOKENS).loss.item()


@pytest.mark.parametrize(("alpha", "ce_weight"), [(0.1, 1.0), (1.0, 0.0), (2.0, 1.0)])
def test_free_logits_are_trained_to_the_minimiser(alpha, ce_weight):
    loss = Dist2Loss(TWO_SCALES, tau=2.0, alpha=alpha, ce_weight=ce_weight)
    logits = torch.zeros(6, 2, 6, dtype=torch.float64, requires_grad=True)
    for _ in range(1000):
        (gradient,) = torch.autograd.grad(loss(logits, TOKENS).loss, logits)
        logits = (logits - 10 * gradient).detach().requires_grad_()
    assert torch.allclose(torch.softmax(logits, -1), minimiser(loss, TOKENS), atol=1e-3)


def test_tokens_without_a_metric_get_plain_cross_entropy():
    loss = Dist2Loss(TWO_SCALES, alpha=0.7)
    logits, targets = draw()
    nothing, everything = torch.zeros(5, 2, dtype=torch.bool), torch.ones(5, 2, dtype=torch.bool)
    plain = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    assert loss(logits, targets, metric_tokens=nothing).loss.item() == pytest.approx(plain.item(), abs=1e-12)
    whole = loss(logits, targets).loss.item()
    assert loss(logits, targets, metric_tokens=everything).loss.item() == pytest.approx(whole, abs=1e-12)
    first = torch.tensor([True, False]).expand(5, 2)
    distance = loss(logits, targets, metric_tokens=first).loss - plain
    rest = loss(logits, targets, metric_tokens=~first).loss - plain
    assert (distance + rest).item() == pytest.approx((loss(logits, targets).loss - plain).item(), abs=1e-12)
    gradient = torch.autograd.grad(loss(logits, targets, metric_tokens=first).loss - plain, logits)[0]
    assert gradient[:, 1].abs().max().item() < 1e-15


def test_each_position_has_the_distances_of_its_group():
    tables = torch.cat([SQUARED.distances, 3 * SQUARED.distances])
    swapped = DistanceTable(tables, torch.tensor([1, 0]))
    assert torch.equal(Dist2Loss(swapped).target(TOKENS), Dist2Loss(TWO_SCALES).target(TOKENS).flip(1))


@pytest.mark.parametrize("tau", [0.0, -1.0, math.nan])
def test_a_temperature_must_be_positive(tau):
    with pytest.raises(ValueError, match="tau"):
        Dist2Loss(SQUARED, tau=tau)


@pytest.mark.parametrize(
    ("alpha", "ce_weight"), [(-0.1, 1.0), (1.0, -0.1), (0.0, 0.0), (math.nan, 1.0), (1.0, math.nan), (math.inf, 1.0)]
)
def test_weights_that_mean_nothing_are_refused(alpha, ce_weight):
    with pytest.raises(ValueError, match="alpha"):
        Dist2Loss(SQUARED, alpha=alpha, ce_weight=ce_weight)
