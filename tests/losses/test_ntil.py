"""NTIL weighs digits by their place, and adds what is wrong with the number."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.ntil import NTILoss

TEN = TokenPoints.of_values(torch.arange(10.0))


def digits(count):
    return replace(TEN, digits=count)


def term_by_term(logits, targets, count):
    """Return the mean of EMD * 1.2^place, of R and of M for numbers of some digits, in plain Python."""
    emd, relative, magnitude = [], [], []
    for row, truth in zip(torch.softmax(logits, -1).tolist(), targets.tolist(), strict=True):
        for first in range(0, len(truth), count):
            expected = number = 0.0
            here = slice(first, first + count)
            for place, (p, x) in enumerate(zip(row[here][::-1], truth[here][::-1], strict=True)):
                emd.append(1.2**place * sum(q * abs(v - x) for v, q in enumerate(p)))
                expected += 10**place * sum(q * v for v, q in enumerate(p))
                number += 10**place * x
            relative.append(abs(expected - number) / (max(expected, number) + 1))
            magnitude.append(abs(math.log((expected + 1) / (number + 1))))
    return [sum(terms) / len(terms) for terms in (emd, relative, magnitude)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_equals_its_closed_form(count):
    logits, targets = torch.randn(7, 6, 10, dtype=torch.float64), torch.randint(10, (7, 6))
    emd, relative, magnitude = term_by_term(logits, targets, count)
    cross_entropy = F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
    loss = NTILoss(digits(count), rescale=False)(logits, targets).loss.item()
    assert loss == pytest.approx(cross_entropy + 0.3 * (emd + 0.2 * relative + 0.2 * magnitude), rel=1e-6)


def test_the_first_digit_counts_most():
    loss = NTILoss(digits(3))
    right = torch.tensor([[4, 4, 4]])
    parts = []
    for wrong in range(3):
        logits = 20.0 * F.one_hot(right, 10).float()
        logits[0, wrong] = logits[0, wrong].roll(1)
        parts.append(loss(logits, right).parts["emd"].item())
    assert parts[0] / parts[1] == pytest.approx(1.2, rel=1e-4)
    assert parts[1] / parts[2] == pytest.approx(1.2, rel=1e-4)


def test_rescaled_the_added_terms_have_the_size_of_cross_entropy_and_their_own_direction():
    logits = torch.randn(7, 6, 10, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(10, (7, 6))
    cross_entropy = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    rescaled = NTILoss(digits(2))(logits, targets).loss
    assert rescaled.item() == pytest.approx(1.3 * cross_entropy.item(), rel=1e-6)
    plain = NTILoss(digits(2), rescale=False, weight=1.0)(logits, targets).loss - cross_entropy
    gradients = [torch.autograd.grad(x, logits, retain_graph=True)[0] for x in (rescaled, cross_entropy, plain)]
    factor = 0.3 * cross_entropy.item() / plain.item()
    assert torch.allclose(gradients[0], gradients[1] + factor * gradients[2], atol=1e-9)


def test_nothing_but_padding_gives_zero():
    logits, targets = torch.randn(2, 6, 10, requires_grad=True), torch.randint(10, (2, 6))
    output = NTILoss(digits(3))(logits, targets, padding_mask=torch.ones(2, 6, dtype=torch.bool)).loss
    output.backward()
    assert output.item() == 0
    assert not logits.grad.any()


def test_positions_that_are_no_whole_numbers_are_an_error():
    with pytest.raises(ValueError, match="5 positions"):
        NTILoss(digits(2))(torch.randn(1, 5, 10), torch.randint(10, (1, 5)))


def test_options_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="growth"):
        NTILoss(TEN, growth=0.0)
    with pytest.raises(ValueError, match="weight"):
        NTILoss(TEN, weight=-1.0)
    with pytest.raises(ValueError, match="ordered"):
        NTILoss(TokenPoints(torch.randn(1, 6, 3).double(), torch.tensor([0])))
