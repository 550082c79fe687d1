"""Losses of numbers: mean absolute and mean squared error. B batch, T steps, A dimensions."""

import pytest
import torch
import torch.nn.functional as F

from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.l1 import L1Loss
from dist2_robot.losses.mse import MSELoss

PAIRS = [(L1Loss(), F.l1_loss), (MSELoss(), F.mse_loss)]


@pytest.mark.parametrize(("loss", "torchs"), PAIRS)
def test_it_equals_torchs(loss, torchs):
    error = torch.randn(5, 4, 3, dtype=torch.float64)
    assert loss(error).loss.item() == pytest.approx(torchs(error, torch.zeros_like(error)).item(), rel=1e-12)


@pytest.mark.parametrize(("loss", "torchs"), PAIRS)
def test_padding_has_no_influence(loss, torchs):
    error = torch.randn(5, 4, 3, dtype=torch.float64, requires_grad=True)
    padding = torch.rand(5, 4) < 0.5
    kept = error[~padding].detach()
    output = loss(error.masked_fill(padding[..., None], torch.inf), padding_mask=padding).loss
    assert output.item() == pytest.approx(torchs(kept, torch.zeros_like(kept)).item(), rel=1e-12)
    loss(error, padding_mask=padding).loss.backward()
    assert not error.grad[padding].any()
    assert (error.grad[~padding] != 0).all()


@pytest.mark.parametrize(("loss", "torchs"), PAIRS)
def test_nothing_but_padding_gives_zero(loss, torchs):
    assert loss(torch.randn(2, 3, 4), padding_mask=torch.ones(2, 3, dtype=torch.bool)).loss.item() == 0


def test_the_best_constant_is_the_median_or_the_mean():
    truth = torch.tensor([0.0, 1.0, 10.0])[:, None, None]
    guesses = torch.linspace(-1, 11, 1201)
    for loss, best in ((L1Loss(), 1.0), (MSELoss(), 11 / 3)):
        values = torch.stack([loss(guess - truth).loss for guess in guesses])
        assert guesses[values.argmin()].item() == pytest.approx(best, abs=0.011)


def test_they_say_that_they_are_for_regression():
    assert L1Loss.for_regression
    assert MSELoss.for_regression
    assert not getattr(CrossEntropyLoss, "for_regression", False)
