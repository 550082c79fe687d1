"""RAFT is the squared error of the expected value. V tokens."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.raft import RaftLoss
from dist2_robot.tokenizers.digits import DigitsTokenizer


def draw():
    return torch.randn(50, 2, 6, dtype=torch.float64), torch.randint(6, (50, 2))


def test_it_is_the_squared_error_of_the_mean_from_the_value_before_it_was_cut(uneven):
    logits, targets = draw()
    truth = 8 * torch.rand(50, 2, dtype=torch.float64) - 2
    mean = (torch.softmax(logits, -1) * uneven.points[..., 0]).sum(-1)
    expected = (mean - truth).square().mean().item()
    assert RaftLoss(uneven)(logits, targets, target_values=truth).loss.item() == pytest.approx(expected, rel=1e-5)
    fine = replace(uneven, tolerances=torch.tensor([0.01, 0.1], dtype=torch.float64))
    in_units = truth * torch.tensor([0.01, 0.1])
    assert RaftLoss(fine)(logits, targets, target_values=in_units).loss.item() == pytest.approx(expected, rel=1e-5)


def test_without_values_it_takes_those_of_the_tokens(uneven):
    logits, targets = draw()
    truth = torch.stack([uneven.points[i, targets[:, i], 0] for i in range(2)], dim=1)
    loss = RaftLoss(uneven)
    given_values = loss(logits, targets, target_values=truth).loss.item()
    assert loss(logits, targets).loss.item() == pytest.approx(given_values, rel=1e-5)


def test_cross_entropy_can_be_added(uneven):
    logits, targets = draw()
    cross_entropy = F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
    alone, both = RaftLoss(uneven)(logits, targets).loss, RaftLoss(uneven, ce_weight=0.7)(logits, targets).loss
    assert (both - alone).item() == pytest.approx(0.7 * cross_entropy, rel=1e-6)


@given(st.floats(-20, 20), st.integers(0, 5))
def test_on_a_circle_it_is_measured_the_short_way_round(value, shift):
    ring = RaftLoss(TokenPoints.of_values(torch.arange(6.0), period=6.0)).double()
    logits, token = torch.randn(1, 1, 6, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.long)
    loss = ring(logits, token, target_values=torch.full((1, 1), value)).loss.item()
    turned = ring(logits.roll(shift, -1), token, target_values=torch.full((1, 1), value + shift)).loss.item()
    # A token exactly opposite is as far one way as the other: there the two may differ.
    if abs((value + 3) % 1) > 1e-3 and abs((value + 3) % 1) < 1 - 1e-3:
        assert turned == pytest.approx(loss, abs=1e-3)


def test_two_tokens_across_the_seam_have_their_mean_between_them(ring):
    logits = torch.tensor([[[0.0, -1e4, -1e4, -1e4, -1e4, 0.0]]])
    between = torch.tensor([[5.5]])
    assert RaftLoss(ring)(logits, torch.tensor([[5]]), target_values=between).loss.item() == pytest.approx(0, abs=1e-9)


def test_digits_answer_for_their_number():
    spec = ActionSpec((ActionDimension("x", "joint", "rad", -1.0, 1.0),), "absolute", 30.0, "file")
    tokenizer = DigitsTokenizer(spec, horizon=2, base=10, digits=3)
    actions = 2 * torch.rand(20, 2, 1) - 1
    logits, tokens = torch.randn(20, 6, 10), tokenizer.encode(actions)
    expected = tokenizer.to_actions((torch.softmax(logits, -1) * tokenizer.values()).sum(-1))
    tolerance = spec.dimensions[0].tolerance
    squares = ((expected - actions) / tolerance).square().mean().item()
    loss = RaftLoss(tokenizer.points())(logits, tokens, target_values=tokenizer.to_values(actions)).loss.item()
    assert loss == pytest.approx(squares, rel=1e-4)


def test_tokens_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="one number"):
        RaftLoss(TokenPoints(torch.randn(1, 6, 3).double(), torch.tensor([0])))
