"""Digit Entropy Loss: binary cross-entropies weighted by the prediction."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.del_ import DigitEntropyLoss


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_it_equals_its_closed_form(digits):
    points = replace(TokenPoints.of_values(torch.arange(10.0)), digits=digits)
    logits, targets = torch.randn(7, 6, 10, dtype=torch.float64), torch.randint(10, (7, 6))
    s, right = torch.sigmoid(logits), F.one_hot(targets, 10).bool()
    binary = -torch.where(right, s, 1 - s).log()
    place = torch.tensor([digits - 1 - i % digits for i in range(6)])
    term = (2 * (place + 1) * (torch.softmax(logits, -1) * binary).mean(-1)).mean().item()
    cross_entropy = F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
    assert DigitEntropyLoss(points)(logits, targets).loss.item() == pytest.approx(cross_entropy + 0.01 * term, rel=1e-9)


def test_a_confident_mistake_costs_more_than_cross_entropy_says():
    targets = torch.zeros(1, 1, dtype=torch.long)
    spread, sharp = torch.tensor([[[0.0, 3.0, 3.0, 3.0]]]), torch.tensor([[[0.0, 3.0986, 3.0986 + 1, -1.0]]])
    parts = [DigitEntropyLoss(weight=1.0)(logits, targets).parts["digit_entropy"] for logits in (spread, sharp)]
    assert parts[1] > parts[0]


def test_weight_zero_is_cross_entropy_to_the_bit():
    logits, targets = torch.randn(7, 6, 10), torch.randint(10, (7, 6))
    loss = DigitEntropyLoss(weight=0.0)(logits, targets).loss
    assert torch.equal(loss, F.cross_entropy(logits.flatten(0, 1), targets.flatten()))
