"""Cross-entropy equals torch's."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.losses.cross_entropy import CrossEntropyLoss


def draw(positions):
    return torch.randn(positions, 4, 16), torch.randint(16, (positions, 4))


@given(st.integers(1, 200), st.sampled_from([0.0, 0.05, 0.091, 0.5]))
def test_it_equals_torchs_to_the_bit(positions, epsilon):
    logits, targets = draw(positions)
    ours = CrossEntropyLoss(label_smoothing=epsilon)(logits, targets).loss
    assert torch.equal(ours, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=epsilon))


def test_smoothing_moves_the_target_towards_uniform():
    logits, targets = draw(5)
    log_p = torch.log_softmax(logits, -1)
    target = 0.9 * F.one_hot(targets, 16) + 0.1 / 16
    expected = -(target * log_p).sum(-1).mean()
    assert CrossEntropyLoss(0.1)(logits, targets).loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("epsilon", [-0.1, 1.0, math.nan])
def test_more_smoothing_than_there_is_mass_is_refused(epsilon):
    with pytest.raises(ValueError, match="label smoothing"):
        CrossEntropyLoss(label_smoothing=epsilon)
