"""Squared earth mover's distance: closed forms on a line and on a circle. V tokens."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.emd import EMDLoss
from dist2_robot.losses.energy import EnergyLoss


def draw():
    return torch.randn(50, 2, 6, dtype=torch.float64), torch.randint(6, (50, 2))


def test_plain_it_is_the_squared_difference_of_cumulative_distributions(uneven):
    logits, targets = draw()
    flow = torch.softmax(logits, -1).cumsum(-1) - F.one_hot(targets, 6).cumsum(-1)
    assert EMDLoss(uneven)(logits, targets).loss.item() == pytest.approx(flow.square().sum(-1).mean().item(), rel=1e-9)


def test_certainty_costs_the_number_of_tokens_between():
    points = TokenPoints.of_values(torch.tensor([0.0, 0.5, 0.7, 2.0, 3.5, 3.6]))
    for truth in range(6):
        for token in range(6):
            logits = torch.full((1, 1, 6), -1e4).index_fill(-1, torch.tensor([token]), 0.0)
            assert EMDLoss(points)(logits, torch.tensor([[truth]])).loss.item() == pytest.approx(abs(token - truth))


def test_weighted_by_spacing_it_is_the_energy_score_with_absolute_distances(uneven):
    logits, targets = draw()
    energy = EnergyLoss(uneven.distances(AbsoluteDistance()))(logits, targets).loss
    assert EMDLoss(uneven, spacing=True)(logits, targets).loss.item() == pytest.approx(energy.item(), rel=1e-5)


@pytest.mark.parametrize("spacing", [False, True])
def test_on_a_circle_it_is_the_best_over_all_flows_round_it(spacing):
    values = torch.tensor([0.0, 0.5, 0.7, 2.0, 3.5, 3.6], dtype=torch.float64)
    points = TokenPoints.of_values(values, period=5.0)
    steps = torch.tensor([0.5, 0.2, 1.3, 1.5, 0.1, 1.4]) if spacing else torch.ones(6)
    loss = EMDLoss(points, spacing)
    for _ in range(20):
        logits, truth = torch.randn(6, dtype=torch.float64), int(torch.randint(6, ()))
        flow = (torch.softmax(logits, -1) - F.one_hot(torch.tensor(truth), 6)).cumsum(-1)
        offsets = torch.linspace(-1, 1, 20001, dtype=torch.float64)
        expected = ((flow + offsets[:, None]).square() * steps).sum(-1).min().item()
        assert loss(logits[None, None], torch.tensor([[truth]])).loss.item() == pytest.approx(expected, abs=1e-6)


def test_on_a_circle_it_does_not_matter_where_counting_starts(ring):
    logits, targets = draw()
    loss = EMDLoss(ring)
    expected = loss(logits, targets).loss.item()
    assert loss(logits.roll(2, dims=-1), (targets + 2) % 6).loss.item() == pytest.approx(expected, rel=1e-9)
    line = EMDLoss(replace(ring, periods=None))
    assert line(logits.roll(2, dims=-1), (targets + 2) % 6).loss.item() != pytest.approx(expected, rel=1e-2)


def test_tokens_without_order_are_refused():
    with pytest.raises(ValueError, match="loss=energy"):
        EMDLoss(TokenPoints(torch.randn(1, 6, 3).double(), torch.tensor([0])))
