"""SORD is cross-entropy with the distance target, without a one-hot term."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.temperature import FixedTemperature
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.sord import SordLoss

TABLE = TokenPoints.of_values(torch.tensor([0.0, 0.5, 0.7, 2.0, 3.5, 3.6])).distances(SquaredDistance())
temperatures = st.floats(0.05, 20)


def draw():
    return torch.randn(5, 2, 6, dtype=torch.float64, requires_grad=True), torch.randint(6, (5, 2))


@given(temperatures)
def test_it_equals_its_closed_form(tau):
    logits, targets = draw()
    soft = torch.softmax(-TABLE.distances[0][targets].double() / tau, -1)
    expected = -(soft * torch.log_softmax(logits, -1)).sum(-1).mean().item()
    assert SordLoss(TABLE, tau)(logits, targets).loss.item() == pytest.approx(expected, rel=1e-5)
    assert SordLoss(TABLE, FixedTemperature(tau))(logits, targets).loss.item() == pytest.approx(expected, rel=1e-5)


@given(temperatures)
def test_it_has_the_gradient_of_dist2_without_the_one_hot_term(tau):
    logits, targets = draw()
    losses = SordLoss(TABLE, tau), Dist2Loss(TABLE, tau, alpha=1.0, ce_weight=0.0)
    gradients = [torch.autograd.grad(loss(logits, targets).loss, logits)[0] for loss in losses]
    assert torch.allclose(*gradients, atol=1e-7)


def test_when_cold_it_is_cross_entropy():
    logits, targets = draw()
    plain = F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
    assert SordLoss(TABLE, 1e-6)(logits, targets).loss.item() == pytest.approx(plain, rel=1e-6)


def test_where_there_is_no_metric_it_is_cross_entropy():
    logits, targets = draw()
    plain = F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
    nothing = torch.zeros(5, 2, dtype=torch.bool)
    assert SordLoss(TABLE)(logits, targets, metric_tokens=nothing).loss.item() == pytest.approx(plain, rel=1e-9)
