"""DIST2Loss with the value before it was cut. L positions, V tokens."""

import math

import pytest
import torch

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.dist2_value import Dist2ValueLoss
from dist2_robot.losses.energy import EnergyLoss

V = 12
VALUES = torch.cumsum(torch.linspace(0.3, 1.4, V, dtype=torch.float64), 0)
RING = torch.arange(V, dtype=torch.float64)


def squared(points):
    return Dist2ValueLoss(points.distances(SquaredDistance()), points, tau=2.0)


def tokens_of(points, values):
    return (values[..., None] >= points.edges[0, 1:-1]).sum(-1)


def test_the_target_of_squared_distances_is_that_of_the_value_itself():
    points = TokenPoints.of_values(VALUES)
    y = torch.rand(50, 1, dtype=torch.float64) * (VALUES[-1] - VALUES[0]) + VALUES[0]
    expected = torch.log_softmax(-((VALUES - y[..., None]) ** 2) / 2.0, dim=-1)
    target = squared(points).target(tokens_of(points, y), y)
    assert torch.allclose(target.double(), expected, atol=2e-4)


def test_at_a_token_it_is_the_target_of_dist2():
    points = TokenPoints.of_values(VALUES)
    tokens = torch.arange(V)[:, None]
    plain = Dist2Loss(points.distances(SquaredDistance()), tau=2.0).target(tokens)
    assert torch.allclose(squared(points).target(tokens, VALUES[tokens]).exp(), plain.float(), atol=1e-5)
    assert torch.allclose(squared(points).target(tokens).exp(), plain.float(), atol=1e-5)


def test_on_a_circle_the_way_goes_on_from_the_last_token_to_the_first():
    points = TokenPoints.of_values(RING, period=float(V))
    y = torch.tensor([[V - 0.5]], dtype=torch.float64)
    target = squared(points).target(torch.tensor([[V - 1]]), y).exp()
    assert torch.allclose(target, target.flip(-1), atol=1e-6)  # half-way between: as far from both
    assert int(target.argmax()) in (0, V - 1)


@pytest.mark.parametrize("beyond", [-5.0, 5.0])
def test_values_beyond_the_outer_tokens_count_as_these(beyond):
    points = TokenPoints.of_values(VALUES)
    end = torch.tensor([[0 if beyond < 0 else V - 1]])
    far = VALUES[end] + beyond
    assert torch.allclose(squared(points).target(end, far), squared(points).target(end, VALUES[end]), atol=1e-5)


def test_it_is_a_divergence():
    points = TokenPoints.of_values(VALUES)
    y = torch.tensor([[4.1]], dtype=torch.float64)
    token, loss = tokens_of(points, y), squared(points)
    best = loss.target(token, y).double()
    assert loss(best, token, target_values=y).loss.item() == pytest.approx(0, abs=1e-5)
    assert loss(best + torch.randn(1, 1, V), token, target_values=y).loss.item() > 0.01


@pytest.mark.parametrize("period", [None, float(V)])
def test_the_energy_score_knows_the_value_itself(period):
    """``E |X - y| - 1/2 E |X - X'|`` with y between two tokens."""
    values = VALUES if period is None else RING
    points = TokenPoints.of_values(values, period)
    y = torch.tensor([[values[3] + 0.3], [values[7] - 0.2], [values[5]]], dtype=torch.float64)
    tokens, logits = tokens_of(points, y), torch.randn(3, 1, V, dtype=torch.float64)
    p = torch.softmax(logits, -1)

    def arc(a, b):
        return AbsoluteDistance()(a[..., None], b[..., None], period)  # on a circle a chord

    each = (p * arc(values, y[..., None])).sum(-1)
    each -= 0.5 * torch.einsum("blv,blw,vw->bl", p, p, arc(values[:, None], values))
    loss = EnergyLoss(points.distances(AbsoluteDistance()), points)
    assert loss(logits, tokens, target_values=y).loss.item() == pytest.approx(
        each.mean().item(), rel=1e-4 if period is None else 5e-3
    )
    at_bins = EnergyLoss(points.distances(AbsoluteDistance()))(logits, tokens)
    assert at_bins.loss.item() != pytest.approx(each.mean().item(), rel=2e-2)


def test_groups_of_fewer_tokens_give_no_mass_to_those_that_they_lack():
    points = TokenPoints.of_values(torch.stack([VALUES, VALUES * 2]))
    valid = torch.ones(2, V, dtype=torch.bool)
    valid[1, 8:] = False
    points = type(points)(**{**vars(points), "valid": valid})
    y = torch.stack([VALUES[7] * 1.0, VALUES[7] * 2.0])[None]
    target = squared(points).target(torch.tensor([[7, 7]]), y)
    assert target[0, 1, 8:].eq(-math.inf).all()
    assert target[0, 1, :8].exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    logits = torch.zeros(1, 2, V, requires_grad=True)
    loss = squared(points)(logits.masked_fill(~valid, -1e4), torch.tensor([[7, 7]]), target_values=y).loss
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()
