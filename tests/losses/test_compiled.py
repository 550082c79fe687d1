"""torch.compile gives the same losses; without a C++ compiler there is nothing to test."""

import shutil

import pytest
import torch

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.losses.dist2 import Dist2Loss

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler"),
]
TABLE = TokenPoints.of_values(torch.arange(64.0)).distances(SquaredDistance())


@pytest.mark.parametrize("options", [{}, {"neighbours": 8}])
def test_compiled_and_eager_agree(options):
    loss = Dist2Loss(TABLE, **options)
    logits, targets = torch.randn(32, 64, requires_grad=True), torch.randint(64, (32,))
    padding = torch.rand(32) < 0.3
    compiled = torch.compile(lambda x: loss(x, targets, padding_mask=padding).loss, fullgraph=True)
    values = [f(logits) for f in (compiled, lambda x: loss(x, targets, padding_mask=padding).loss)]
    gradients = [torch.autograd.grad(value, logits)[0] for value in values]
    assert values[0].item() == pytest.approx(values[1].item(), rel=1e-5)
    assert torch.allclose(*gradients, atol=1e-6)
