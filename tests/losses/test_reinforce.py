"""The sampled gradient of reinforce is, on average, that of what DIST2Loss optimises in closed form. V tokens."""

import pytest
import torch

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.temperature import FixedTemperature
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.reinforce import BASELINES, ReinforceLoss

TABLE = TokenPoints.of_values(torch.tensor([0.0, 0.5, 0.7, 2.0, 3.5, 3.6])).distances(SquaredDistance())


def exact(logits, targets, tau):
    """Return the mean over positions of ``E_p[d] - tau * H(p)``."""
    log_p = torch.log_softmax(logits, -1)
    distances = TABLE.distances[0][targets].double()
    return (log_p.exp() * (distances + tau * log_p)).sum(-1).mean()


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("samples", [2, 7])
def test_its_gradient_is_unbiased(baseline, samples):
    logits = torch.randn(1, 2, 6, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([[1, 4]])
    expected = torch.autograd.grad(exact(logits, targets, 0.7), logits)[0]
    repeats = 40_000
    many = logits.detach().expand(repeats, 2, 6).clone().requires_grad_()
    loss = ReinforceLoss(TABLE, 0.7, samples, baseline)(many, targets.expand(repeats, 2)).loss
    each = torch.autograd.grad(loss, many)[0] * repeats
    error = each.std(dim=0) / repeats**0.5
    assert ((each.mean(0) - expected[0]).abs() < 5 * error + 1e-9).all()
    assert error.max() < 0.02  # the samples are enough to see a mistake


def test_a_baseline_lowers_the_variance():
    logits = torch.randn(1, 1, 6).expand(20_000, 1, 6).clone().requires_grad_()
    targets = torch.full((20_000, 1), 5)
    spread = {}
    for baseline in BASELINES:
        loss = ReinforceLoss(TABLE, 1.0, 4, baseline)(logits, targets).loss
        spread[baseline] = torch.autograd.grad(loss, logits)[0].var(dim=0).sum().item()
    assert spread["mean"] < spread["leave_one_out"] < spread["none"]


def test_its_objective_is_a_reverse_divergence_from_the_target_of_dist2():
    tau = 0.7
    targets = torch.arange(6)[:, None]
    p_d = Dist2Loss(TABLE, tau).target(targets).double()
    values = []
    for _ in range(3):
        logits = torch.randn(6, 1, 6, dtype=torch.float64)
        p = torch.softmax(logits, -1)
        reverse = (p * (p.log() - p_d.log())).sum(-1).mean()
        values.append((exact(logits, targets, tau) - tau * reverse).item())
    assert values == pytest.approx([values[0]] * 3, abs=1e-5)


def test_training_on_it_approaches_the_target_of_dist2():
    tau, copies = 1.0, 400
    logits = torch.zeros(copies, 1, 6, dtype=torch.float64, requires_grad=True)
    targets = torch.full((copies, 1), 3)
    loss = ReinforceLoss(TABLE, FixedTemperature(tau), samples=8, baseline="mean")
    for _ in range(300):
        (gradient,) = torch.autograd.grad(loss(logits, targets).loss, logits)
        logits = (logits - 0.3 * copies * gradient.mean(0)).detach().requires_grad_()
    target = Dist2Loss(TABLE, tau).target(torch.tensor([[3]]))[0, 0].double()
    assert torch.allclose(torch.softmax(logits[0, 0], -1), target, atol=0.03)


def test_padding_and_tokens_without_a_metric_have_no_gradient():
    logits, targets = torch.randn(3, 2, 6, requires_grad=True), torch.randint(6, (3, 2))
    padding = torch.tensor([[True, False], [False, False], [True, True]])
    metric = torch.tensor([True, False]).expand(3, 2)
    output = ReinforceLoss(TABLE)(logits, targets, padding_mask=padding, metric_tokens=metric)
    output.loss.backward()
    counts = metric & ~padding
    assert not logits.grad[~counts].any()
    assert (logits.grad[counts] != 0).all()


@pytest.mark.parametrize("scale", [1e-6, 30.0, 1e4])
def test_it_stays_finite_however_sure_the_prediction(scale):
    logits, targets = torch.randn(8, 2, 6, requires_grad=True), torch.randint(6, (8, 2))
    output = ReinforceLoss(TABLE)(scale * logits, targets).loss
    output.backward()
    assert output.isfinite()
    assert logits.grad.isfinite().all()


def test_options_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="baseline"):
        ReinforceLoss(TABLE, baseline="median")
    with pytest.raises(ValueError, match="samples"):
        ReinforceLoss(TABLE, samples=1)
    with pytest.raises(ValueError, match="samples"):
        ReinforceLoss(TABLE, samples=0, baseline="none")
    with pytest.raises(ValueError, match="tau"):
        ReinforceLoss(TABLE, tau=0.0)
