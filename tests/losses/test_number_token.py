"""Number Token Loss: cross-entropy plus the Wasserstein distance or the squared error of the mean. V tokens."""

import math

import pytest
import torch
import torch.nn.functional as F

from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.number_token import NumberTokenMSELoss, NumberTokenWASLoss


def draw():
    logits = torch.randn(50, 2, 6, dtype=torch.float64)
    targets = torch.randint(6, (50, 2))
    return logits, targets, F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()


def test_was_adds_the_wasserstein_distance(line):
    logits, targets, cross_entropy = draw()
    p, d = torch.softmax(logits, -1), line.distances.double()
    term = sum((p[:, i] * d[i][targets[:, i]]).sum(-1).mean() for i in range(2)).item() / 2
    loss = NumberTokenWASLoss(line)(logits, targets).loss.item()
    assert loss == pytest.approx(cross_entropy + 0.3 * term, rel=1e-6)


def test_on_a_line_was_is_the_area_between_the_cumulative_distributions(line, uneven):
    logits, targets, _ = draw()
    flow = (torch.softmax(logits, -1) - F.one_hot(targets, 6)).cumsum(-1)[..., :-1].abs()
    spacing = uneven.points[..., 0].diff(dim=-1)[uneven.groups]
    expected = (flow * spacing).sum(-1).mean().item()
    alone = NumberTokenWASLoss(line, weight=1.0, ce_weight=0.0)
    assert alone(logits, targets).loss.item() == pytest.approx(expected, rel=1e-6)


def test_mse_adds_the_squared_error_of_the_mean(uneven):
    logits, targets, cross_entropy = draw()
    values = uneven.points[..., 0]  # (L, V)
    mean = (torch.softmax(logits, -1) * values).sum(-1)
    truth = torch.stack([values[i][targets[:, i]] for i in range(2)], dim=1)
    loss = NumberTokenMSELoss(uneven)(logits, targets).loss.item()
    assert loss == pytest.approx(cross_entropy + 0.3 * (mean - truth).square().mean().item(), rel=1e-5)


def test_on_a_circle_mse_takes_the_short_way_round(ring):
    loss = NumberTokenMSELoss(ring, weight=1.0, ce_weight=0.0)
    logits = torch.full((1, 1, 6), -1e4).index_fill(-1, torch.tensor([5]), 0.0)
    assert loss(logits, torch.tensor([[0]])).loss.item() == pytest.approx(1.0)
    logits, targets, _ = draw()
    turned = loss(logits.roll(1, dims=-1), (targets + 1) % 6).loss.item()
    assert turned == pytest.approx(loss(logits, targets).loss.item(), rel=1e-6)


def test_where_there_is_no_metric_only_cross_entropy_counts(line, uneven):
    logits, targets, cross_entropy = draw()
    nothing = torch.zeros(50, 2, dtype=torch.bool)
    for loss in (NumberTokenWASLoss(line), NumberTokenMSELoss(uneven)):
        assert loss(logits, targets, metric_tokens=nothing).loss.item() == pytest.approx(cross_entropy, rel=1e-9)


@pytest.mark.parametrize("weights", [{"weight": -1.0}, {"weight": math.nan}, {"weight": 0.0, "ce_weight": 0.0}])
def test_weights_that_mean_nothing_are_refused(line, uneven, weights):
    with pytest.raises(ValueError, match="weight"):
        NumberTokenWASLoss(line, **weights)
    with pytest.raises(ValueError, match="weight"):
        NumberTokenMSELoss(uneven, **weights)


def test_tokens_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="one number"):
        NumberTokenMSELoss(TokenPoints(torch.randn(1, 6, 3).double(), torch.tensor([0])))
