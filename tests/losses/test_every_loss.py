"""Laws that every loss over tokens obeys. L positions, V tokens."""

import math

import pytest
import torch

from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.energy import EnergyLoss
from dist2_robot.losses.weighted_sum import WeightedSumLoss

L, V = 2, 6
NAMES = ["cross_entropy", "smoothed", "dist2", "paper", "distance_only", "energy_line", "energy_circle", "energy_plane"]


@pytest.fixture(params=[*NAMES, "sum"])
def loss(request, squared, line, circle, plane):
    return {
        "cross_entropy": CrossEntropyLoss,
        "smoothed": lambda: CrossEntropyLoss(label_smoothing=0.1),
        "dist2": lambda: Dist2Loss(squared, tau=2.0, alpha=0.7, ce_weight=1.3),
        "paper": lambda: Dist2Loss.paper(squared),
        "distance_only": lambda: Dist2Loss(squared, tau=2.0, alpha=1.0, ce_weight=0.0),
        "energy_line": lambda: EnergyLoss(line),
        "energy_circle": lambda: EnergyLoss(circle),
        "energy_plane": lambda: EnergyLoss(plane),
        "sum": lambda: WeightedSumLoss(
            {"dist2": Dist2Loss(squared), "energy": EnergyLoss(line)}, {"dist2": 0.5, "energy": 2.0}
        ),
    }[request.param]()


def draw(*leading, dtype=torch.float64):
    return torch.randn(*leading, L, V, dtype=dtype, requires_grad=True), torch.randint(V, (*leading, L))


def test_its_gradient_is_right(loss):
    logits, targets = draw(3)
    mask = torch.tensor([[True, False], [False, False], [False, False]])
    assert torch.autograd.gradcheck(lambda x: loss.double()(x, targets, padding_mask=mask).loss, (logits,))


def test_adding_a_constant_to_all_logits_of_a_position_changes_nothing(loss):
    logits, targets = draw(3)
    moved = logits + torch.randn(3, L, 1, dtype=torch.float64)
    assert loss(moved, targets).loss.item() == pytest.approx(loss(logits, targets).loss.item(), abs=1e-6)


@pytest.mark.parametrize("leading", [(), (5,), (4, 3), (2, 3, 2)])
def test_leading_dimensions_are_only_more_positions(loss, leading):
    logits, targets = draw(*leading)
    flat = loss(logits.view(-1, L, V), targets.view(-1, L)).loss
    assert loss(logits, targets).loss.item() == pytest.approx(flat.item(), abs=1e-12)


def test_the_loss_is_the_mean_over_positions(loss):
    logits, targets = draw(4)
    each = [loss(logits[i], targets[i]).loss.item() for i in range(4)]
    assert loss(logits, targets).loss.item() == pytest.approx(sum(each) / 4, abs=1e-12)


def test_padding_has_no_influence(loss):
    logits, targets = draw(4)
    mask = torch.tensor([[False, False], [True, True], [False, False], [True, True]])
    kept = loss(logits[::2], targets[::2]).loss
    assert loss(logits, targets, padding_mask=mask).loss.item() == pytest.approx(kept.item(), abs=1e-9)
    elsewhere = torch.where(mask, (targets + 1) % V, targets), torch.where(mask[..., None], 1e3 * logits, logits)
    changed = loss(elsewhere[1], elsewhere[0], padding_mask=mask).loss
    assert changed.item() == pytest.approx(kept.item(), abs=1e-9)
    changed.backward()
    assert not logits.grad[mask].any()
    assert (logits.grad[~mask] != 0).all()


def test_an_empty_mask_is_no_mask(loss):
    logits, targets = draw(4)
    masked = loss(logits, targets, padding_mask=torch.zeros(4, L, dtype=torch.bool)).loss
    assert masked.item() == pytest.approx(loss(logits, targets).loss.item(), abs=1e-12)


def test_nothing_but_padding_gives_zero_that_can_be_trained_on(loss):
    logits, targets = draw(4)
    output = loss(logits, targets, padding_mask=torch.ones(4, L, dtype=torch.bool)).loss
    output.backward()
    assert output.item() == 0
    assert not logits.grad.any()


def test_a_sharp_prediction_of_the_truth_beats_any_other(loss):
    targets = torch.tensor([[2, 4]])
    losses = []
    for token in range(V):
        logits = torch.full((1, L, V), -4.0)
        logits[..., token] = 4.0
        losses.append([loss(logits[:, i : i + 1].expand(1, L, V), targets).loss.item() for i in range(L)])
    right = torch.full((1, L, V), -4.0).scatter(-1, targets[..., None], 4.0)
    assert all(loss(right, targets).loss.item() < min(pair) for pair in losses)


@pytest.mark.parametrize("scale", [1e-6, 30.0, 1e4])
def test_it_stays_finite_however_sure_the_prediction(loss, scale):
    logits, targets = draw(8, dtype=torch.float32)
    output = loss(logits * scale, targets).loss
    output.backward()
    assert math.isfinite(output.item())
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_it_takes_logits_of_any_precision(loss, dtype):
    logits, targets = draw(4)
    expected = loss(logits, targets).loss.item()
    assert loss(logits.to(dtype), targets).loss.item() == pytest.approx(expected, rel=0.05, abs=0.05)


def test_parts_are_scalars_for_the_log(loss):
    output = loss(*draw(4))
    assert output.loss.shape == ()
    assert output.parts
    for part in output.parts.values():
        assert part.shape == ()
        assert not part.requires_grad


def test_tables_are_no_part_of_a_checkpoint(loss):
    assert not loss.state_dict()
