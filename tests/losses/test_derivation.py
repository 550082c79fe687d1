"""Every numbered statement of docs/derivation.md. V tokens."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.energy import EnergyLoss
from dist2_robot.losses.reinforce import ReinforceLoss

V, TAU = 12, 3.0
VALUES = torch.tensor([0.0, 0.6, 1.0, 2.1, 3.0, 3.3, 4.5, 5.0, 6.2, 7.0, 7.7, 9.0], dtype=torch.float64)
POINTS = TokenPoints.of_values(VALUES)
SQUARED = POINTS.distances(SquaredDistance())
D = SQUARED.distances[0].double()
NEAR, FAR = 2, 9  # two truths of one input


def p_d(x: int) -> Tensor:
    return torch.softmax(-D[x] / TAU, -1)


def kl(p: Tensor, q: Tensor) -> float:
    return float((torch.xlogy(p, p) - torch.xlogy(p, q)).sum())


def objective(p: Tensor, x: int) -> float:
    """J of section 1: expected reward plus tau times entropy."""
    return float(-(p * D[x]).sum() - TAU * torch.xlogy(p, p).sum())


def minimise(loss: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the distribution whose free logits make a loss least."""
    logits = torch.zeros(V, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(logits)
        value.backward()
        return value

    optimizer.step(closure)
    return torch.softmax(logits.detach(), -1)


def of_tokens(loss: torch.nn.Module, *truths: int) -> Callable[[Tensor], Tensor]:
    """Return the mean loss over truths of one input, by its logits (V,)."""
    double = loss.double()
    return lambda logits: double(logits.expand(len(truths), 1, V), torch.tensor(truths)[:, None]).loss


def random_distribution() -> Tensor:
    return torch.softmax(2 * torch.randn(V, dtype=torch.float64), -1)


def test_1_the_target_is_the_best_policy():
    best = objective(p_d(NEAR), NEAR)
    assert all(objective(random_distribution(), NEAR) < best for _ in range(50))
    logits = torch.log(p_d(NEAR)).requires_grad_()
    p = torch.softmax(logits, -1)
    ((p * D[NEAR]).sum() + TAU * torch.xlogy(p, p).sum()).backward()
    assert logits.grad.abs().max() < 1e-12


def test_2_what_a_policy_misses_is_its_divergence_from_the_target():
    p = random_distribution()
    log_z = float(torch.logsumexp(-D[NEAR] / TAU, -1))
    assert objective(p, NEAR) == pytest.approx(TAU * log_z - TAU * kl(p, p_d(NEAR)), abs=1e-9)


@pytest.mark.parametrize(("weight", "alpha"), [(1.0, 0.1), (1.0, 1.0), (0.5, 2.0)])
def test_3_it_is_label_smoothing_with_a_shape(weight, alpha):
    one_hot = torch.nn.functional.one_hot(torch.tensor(NEAR), V)
    expected = (weight * one_hot + alpha * p_d(NEAR)) / (weight + alpha)
    found = minimise(of_tokens(Dist2Loss(SQUARED, TAU, alpha, weight), NEAR))
    assert torch.allclose(found, expected, atol=1e-5)


def test_3_the_published_setting_moves_four_hundredths_of_the_mass():
    bins = TokenPoints.of_values(torch.arange(64.0)).distances(SquaredDistance("bins"))
    target = Dist2Loss.paper(bins).target(torch.tensor([30]))[0]
    assert target[30].item() == pytest.approx(0.56, abs=0.005)
    assert 0.1 / 1.1 * (1 - target[30].item()) == pytest.approx(0.04, abs=0.001)


def test_4_the_support_differs_by_the_surprise_of_the_set():
    vocabulary, metric = 20, torch.arange(5, 5 + V)
    logits = torch.randn(1, 1, vocabulary, dtype=torch.float64)
    target = metric[torch.tensor([[NEAR]])]
    of = {
        support: Dist2Loss(SQUARED, TAU, 1.0, 0.0, support=support, token_ids=metric).double()(logits, target).loss
        for support in ("vocabulary", "metric_tokens")
    }
    mass = torch.softmax(logits, -1)[..., metric].sum()
    assert float(of["vocabulary"] - of["metric_tokens"]) == pytest.approx(-math.log(mass), abs=1e-6)


def test_5_policy_gradient_arrives_at_the_same_place_where_there_is_one_truth():
    assert torch.allclose(descend(ReinforceLoss(SQUARED, TAU, samples=64), NEAR), p_d(NEAR), atol=0.03)


def test_6_of_two_truths_the_loss_keeps_both():
    found = minimise(of_tokens(Dist2Loss(SQUARED, TAU, 1.0, 0.0), NEAR, FAR))
    assert torch.allclose(found, (p_d(NEAR) + p_d(FAR)) / 2, atol=1e-5)


def test_7_of_two_truths_policy_gradient_takes_the_mean():
    expected = torch.softmax(-(D[NEAR] + D[FAR]) / 2 / TAU, -1)
    mean = (VALUES[NEAR] + VALUES[FAR]) / 2
    assert (VALUES[expected.argmax()] - mean).abs() == (VALUES - mean).abs().min()
    found = descend(ReinforceLoss(SQUARED, TAU, samples=64), NEAR, FAR)
    assert torch.allclose(found, expected, atol=0.03)
    assert not torch.allclose(found, (p_d(NEAR) + p_d(FAR)) / 2, atol=0.1)


def test_8_of_two_truths_the_energy_score_keeps_both_and_nothing_else():
    loss = EnergyLoss(POINTS.distances(AbsoluteDistance()))
    found = minimise(of_tokens(loss, NEAR, FAR))
    assert found[[NEAR, FAR]].tolist() == pytest.approx([0.5, 0.5], abs=0.01)


def test_9_on_a_line_it_is_the_squared_earth_movers_distance():
    p = random_distribution()
    steps = (p.cumsum(-1) - (torch.arange(V) >= NEAR).double())[:-1].square()
    distances = (VALUES[:, None] - VALUES).abs()
    energy = (p * distances[NEAR]).sum() - 0.5 * p @ distances @ p
    assert float(energy) == pytest.approx(float((VALUES.diff() * steps).sum()), abs=1e-12)
    loss = EnergyLoss(POINTS.distances(AbsoluteDistance())).double()
    assert loss(p.log().view(1, 1, -1), torch.tensor([[NEAR]])).loss.item() == pytest.approx(float(energy), abs=1e-6)


def test_the_gradient_of_the_loss_has_no_variance_and_that_of_policy_gradient_does_even_at_the_optimum():
    optimum = p_d(NEAR).log()
    assert gradients(Dist2Loss(SQUARED, TAU, 1.0, 0.0), optimum, repeats=5).std(0).max() == 0
    sampled = gradients(ReinforceLoss(SQUARED, TAU, samples=4), optimum, repeats=4000)
    assert sampled.std(0).max() > 0.05
    assert (sampled.mean(0).abs() < 5 * sampled.std(0) / 4000**0.5 + 1e-3).all()  # it is zero on average


def gradients(loss: torch.nn.Module, logits: Tensor, repeats: int) -> Tensor:
    """Return the gradient of a loss in the same logits (V,), drawn anew each time, (repeats, V)."""
    many = logits.expand(repeats, 1, V).clone().requires_grad_()
    (loss.double()(many, torch.full((repeats, 1), NEAR)).loss * repeats).backward()
    return many.grad[:, 0]


def descend(loss: torch.nn.Module, *truths: int) -> Tensor:
    """Return where sampled gradients lead: the mean of the policies of the last part of the way."""
    of, logits = of_tokens(loss, *truths), torch.zeros(V, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    visited = []
    for step in range(1500):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 1500)
        optimizer.zero_grad()
        of(logits).backward()
        optimizer.step()
        visited.append(torch.softmax(logits.detach(), -1))
    return torch.stack(visited[-300:]).mean(0)
