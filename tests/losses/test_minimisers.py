"""Free logits, trained to the end, become what each loss promises. V tokens, K truths of one input."""

import pytest
import torch
import torch.nn.functional as F

from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.emd import EMDLoss
from dist2_robot.losses.energy import EnergyLoss
from dist2_robot.losses.hl_gauss import HLGaussLoss
from dist2_robot.losses.label_smoothing import LabelSmoothingLoss
from dist2_robot.losses.sord import SordLoss

V = 6
TRUTHS = torch.tensor([1, 1, 4, 2])  # what followed the same input
FREQUENCY = torch.bincount(TRUTHS, minlength=V).double() / len(TRUTHS)
ONE_HOT = F.one_hot(TRUTHS, V).double()


def minimise(loss, truths):
    """Return the one distribution (V,) that is best for truths (K,) at the first of two positions."""
    logits = torch.zeros(V, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        value = loss(logits.expand(len(truths), 2, V)[:, :1], truths[:, None]).loss
        value.backward()
        return value

    for _ in range(5):
        optimiser.step(closure)
    return torch.softmax(logits, -1).detach()


def first(points):
    """Return the points of the first position only."""
    return type(points)(**{**vars(points), "groups": points.groups[:1]})


@pytest.fixture
def table(squared):
    return type(squared)(squared.distances, squared.groups[:1])


def expected_and_loss(name, table, points, line):
    p_d = torch.softmax(-table.distances[0].double() / 2.0, -1)[TRUTHS]
    gauss = HLGaussLoss(points)
    return {
        "cross_entropy": (ONE_HOT, CrossEntropyLoss()),
        "label_smoothing": (0.8 * ONE_HOT + 0.2 / V, LabelSmoothingLoss(points, 0.2)),
        "dist2": ((1.3 * ONE_HOT + 0.7 * p_d) / 2, Dist2Loss(table, 2.0, 0.7, 1.3)),
        "dist2_of_ids": ((1.3 * ONE_HOT + 0.7 * p_d) / 2, Dist2Loss(table, 2.0, 0.7, 1.3, token_ids=range(V))),
        "distance_only": (p_d, Dist2Loss(table, 2.0, 1.0, 0.0)),
        "sord": (p_d, SordLoss(table, 2.0)),
        "hl_gauss": (gauss.target(TRUTHS[:, None])[:, 0].double(), gauss),
        "energy": (ONE_HOT, EnergyLoss(line)),
        "emd": (ONE_HOT, EMDLoss(points)),
        "emd_spacing": (ONE_HOT, EMDLoss(points, spacing=True)),
    }[name]


NAMES = [
    "label_smoothing",
    "dist2",
    "dist2_of_ids",
    "distance_only",
    "sord",
    "hl_gauss",
    "energy",
    "emd",
    "emd_spacing",
]


@pytest.mark.parametrize("name", [*NAMES, "cross_entropy"])
def test_several_truths_of_one_input_give_the_mixture_of_their_targets(name, table, uneven, line):
    """All of them are affine in the truth's distribution: none blurs the modes together, as squared error would."""
    line = type(line)(line.distances, line.groups[:1])
    targets, loss = expected_and_loss(name, table, first(uneven), line)
    assert torch.allclose(minimise(loss, TRUTHS), targets.mean(0), atol=2e-3)


@pytest.mark.parametrize("name", ["label_smoothing", "dist2", "dist2_of_ids", "distance_only", "sord", "hl_gauss"])
@pytest.mark.parametrize("truth", range(V))
def test_one_truth_gives_its_target(name, truth, table, uneven, line):
    line = type(line)(line.distances, line.groups[:1])
    targets, loss = expected_and_loss(name, table, first(uneven), line)
    here = (truth == TRUTHS).nonzero()
    if len(here):
        assert torch.allclose(minimise(loss, torch.tensor([truth])), targets[here[0, 0]], atol=1e-3)
    target = loss.target(torch.tensor([[truth]]))[0, 0].double() if hasattr(loss, "target") else None
    if target is not None and name in ("distance_only", "hl_gauss"):
        assert torch.allclose(minimise(loss, torch.tensor([truth])), target, atol=1e-3)
