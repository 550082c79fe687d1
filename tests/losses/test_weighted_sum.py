"""Losses add up, and so do their gradients."""

import pytest
import torch

from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.energy import EnergyLoss
from dist2_robot.losses.weighted_sum import WeightedSumLoss

MASK = torch.tensor([[True, False], [False, False], [False, False]])


def test_it_is_the_weighted_sum_of_its_terms(squared, line):
    terms = {"dist2": Dist2Loss(squared), "energy": EnergyLoss(line)}
    weights = {"dist2": 0.3, "energy": 2.0}
    logits, targets = torch.randn(3, 2, 6, requires_grad=True), torch.randint(6, (3, 2))
    arguments = {"padding_mask": MASK, "metric_tokens": torch.tensor([True, False]).expand(3, 2)}

    total = WeightedSumLoss(terms, weights)(logits, targets, **arguments)
    each = {name: term(logits, targets, **arguments) for name, term in terms.items()}
    expected = sum(weights[name] * output.loss for name, output in each.items())
    assert total.loss.item() == pytest.approx(expected.item(), rel=1e-6)
    gradients = [torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (total.loss, expected)]
    assert torch.allclose(*gradients, atol=1e-7)
    for output in each.values():
        assert output.parts.items() <= total.parts.items()


def test_one_term_of_weight_one_is_that_term(line):
    logits, targets = torch.randn(3, 2, 6), torch.randint(6, (3, 2))
    alone = EnergyLoss(line)
    assert torch.equal(WeightedSumLoss({"e": alone}, {"e": 1.0})(logits, targets).loss, alone(logits, targets).loss)


@pytest.mark.parametrize("weights", [{}, {"ce": 1.0, "energy": 1.0}, {"energy": 1.0}])
def test_every_term_has_a_weight_and_every_weight_a_term(weights):
    with pytest.raises(ValueError, match="same names"):
        WeightedSumLoss({"ce": CrossEntropyLoss()}, weights)


def test_a_sum_of_nothing_is_refused():
    with pytest.raises(ValueError, match="same names"):
        WeightedSumLoss({}, {})


def test_parts_of_one_name_do_not_hide_each_other(squared, line):
    terms = {"sharp": Dist2Loss(squared, tau=0.5), "soft": Dist2Loss(squared, tau=5.0), "energy": EnergyLoss(line)}
    logits, targets = torch.randn(3, 2, 6), torch.randint(6, (3, 2))
    parts = WeightedSumLoss(terms, dict.fromkeys(terms, 1.0))(logits, targets).parts
    alone = {name: term(logits, targets).parts for name, term in terms.items()}
    expected = {f"{term}.{part}": alone[term][part] for term in ("sharp", "soft") for part in alone[term]}
    assert parts == expected | dict(alone["energy"])
    assert parts["sharp.divergence"] != parts["soft.divergence"]
