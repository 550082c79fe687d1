"""Laws of the mixture density. B batch, L positions, K components, V points."""

import math

import pytest
import torch

from dist2_robot.models import mixture_density as module
from dist2_robot.models.mixture_density import mixture_density
from dist2_robot.models.mixture_head import KINDS

B, L, K, V = 7, 2, 3, 20


def evaluate(kind, rows, monkeypatch):
    """Return density and gradients, some rows of the batch at a time."""
    monkeypatch.setattr(module, "_PART", rows * L * K * V)
    torch.manual_seed(0)
    inputs = [torch.randn(B, L, K).double(), torch.randn(B, L, K).double(), torch.rand(B, L, K).double() * 20 + 0.1]
    points, period = torch.rand(L, V).double() * 2 - 1, torch.tensor([[2.2], [math.inf]]).double()
    inputs = [x.requires_grad_() for x in inputs]
    density = mixture_density(KINDS[kind], *inputs, points, period)
    return density, *torch.autograd.grad(density, inputs, torch.randn(B, L, V).double())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 6])
def test_parts_change_nothing(kind, rows, monkeypatch):
    whole = evaluate(kind, B, monkeypatch)
    for part, at_once in zip(evaluate(kind, rows, monkeypatch), whole, strict=True):
        assert torch.allclose(part, at_once, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_one_component_is_its_own_density(kind):
    """The logarithm of sech^2(z / 2) / 4 or of exp(-z^2 / 2), far into the tails, where the density itself is 0."""
    points = torch.linspace(-1, 1, V, dtype=torch.float64)[None]
    mean, scale = torch.tensor([[[0.3]]]).double(), torch.tensor([[[500.0]]]).double()
    z = scale * (points - mean)
    expected = -(z**2) / 2 if kind == "gaussian" else -z.abs() - 2 * torch.log1p(torch.exp(-z.abs()))
    density = mixture_density(KINDS[kind], torch.full_like(mean, 0.7), mean, scale, points)
    assert torch.allclose(density, expected + 0.7, rtol=1e-12)
    assert density.min() < -600


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_nothing_has_no_density(kind):
    inputs = [torch.ones(0, L, K, requires_grad=True) for _ in range(3)]
    density = mixture_density(KINDS[kind], *inputs, torch.rand(1, V))
    assert density.shape == (0, L, V)
    assert [g.shape for g in torch.autograd.grad(density.sum(), inputs)] == [(0, L, K)] * 3
