"""Label smoothing is uniform over the tokens that there are, and matches what it controls for. V tokens."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.label_smoothing import LabelSmoothingLoss


def draw(positions, vocab_size=16):
    return torch.randn(positions, 4, vocab_size), torch.randint(vocab_size, (positions, 4))


@given(st.integers(1, 200), st.sampled_from([0.0, 0.05, 0.091, 0.5]))
def test_it_equals_torchs_to_the_bit(positions, epsilon):
    logits, targets = draw(positions)
    ours = LabelSmoothingLoss(epsilon=epsilon)(logits, targets).loss
    assert torch.equal(ours, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=epsilon))


@given(st.floats(0, 0.99))
def test_it_is_cross_entropy_with_a_target_that_is_moved_towards_uniform(epsilon):
    logits, targets = draw(5)
    target = (1 - epsilon) * F.one_hot(targets, 16) + epsilon / 16
    expected = -(target * torch.log_softmax(logits, -1)).sum(-1).mean()
    assert LabelSmoothingLoss(epsilon=epsilon)(logits, targets).loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_only_tokens_that_there_are_get_mass():
    valid = torch.tensor([[True] * 4 + [False] * 2])
    points = replace(TokenPoints.of_values(torch.arange(6.0)), valid=valid)
    logits = torch.zeros(3, 1, 6).masked_fill(~valid, -1e4).requires_grad_()
    LabelSmoothingLoss(points, 0.2)(logits, torch.tensor([[0], [1], [3]])).loss.backward()
    target = 3 * torch.softmax(logits, -1).detach() / 3 - 3 * logits.grad  # the gradient is (p - target) / positions
    assert torch.allclose(target[1, 0], torch.tensor([0.05, 0.85, 0.05, 0.05, 0.0, 0.0]), atol=1e-6)


def test_where_there_is_no_metric_it_is_plain_cross_entropy():
    logits, targets = draw(5)
    loss = LabelSmoothingLoss(epsilon=0.3)
    nothing, everything = torch.zeros(5, 4, dtype=torch.bool), torch.ones(5, 4, dtype=torch.bool)
    plain = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    assert loss(logits, targets, metric_tokens=nothing).loss.item() == pytest.approx(plain.item(), rel=1e-6)
    whole = loss(logits, targets).loss.item()
    assert loss(logits, targets, metric_tokens=everything).loss.item() == pytest.approx(whole, rel=1e-6)


def test_the_two_controls_have_the_weight_and_the_moved_mass_of_the_published_loss():
    alpha = 0.1
    bins = TokenPoints.of_values(torch.arange(256.0))
    dist2 = Dist2Loss(bins.distances(SquaredDistance("bins")), tau=1.0, alpha=alpha)
    target = dist2.target(torch.tensor([128]))[0]
    weight = alpha / (1 + alpha)
    assert LabelSmoothingLoss().epsilon == pytest.approx(weight, abs=5e-4)
    assert weight * (1 - target[128]).item() == pytest.approx(0.04, abs=5e-4)


@pytest.mark.parametrize("epsilon", [-0.1, 1.0, math.nan])
def test_more_smoothing_than_there_is_mass_is_refused(epsilon):
    with pytest.raises(ValueError, match="label smoothing"):
        LabelSmoothingLoss(epsilon=epsilon)
