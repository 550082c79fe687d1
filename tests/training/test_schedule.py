import math

import pytest
import torch
from torch import nn

from dist2_robot.training.ema import WeightAverage
from dist2_robot.training.schedule import learning_rate


def test_the_rate_rises_in_a_line_and_falls_in_a_cosine():
    rates = [learning_rate(step, peak=2.0, warmup_steps=4, steps=12) for step in range(13)]
    assert rates[:4] == [0.5, 1.0, 1.5, 2.0]
    assert rates[4:] == pytest.approx([1 + math.cos(math.pi * i / 8) for i in range(9)])
    assert rates[12] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("warmup_steps", "steps"), [(0, 1), (0, 10), (10, 10), (100, 10)])
def test_the_rate_is_sane_for_odd_lengths(warmup_steps, steps):
    rates = [learning_rate(step, peak=1.0, warmup_steps=warmup_steps, steps=steps) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)


def test_the_average_of_the_weights_is_its_closed_form():
    layer = nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        layer.weight.fill_(5.0)
    average = WeightAverage(layer, decay=0.5)
    expected = 5.0
    for n, value in enumerate([1.0, -2.0, 3.0, 0.5, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0]):
        with torch.no_grad():
            layer.weight.fill_(value)
        average.update(layer)
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
        assert float(average.average["weight"]) == pytest.approx(expected, rel=1e-12)
    assert average.updates == 12
    assert decay == 0.5  # the limit was reached
    assert float(average.state(layer)["weight"]) == pytest.approx(expected, rel=1e-12)
    assert layer.weight.item() == 7.0


def test_no_decay_is_the_present_weights():
    layer = nn.Linear(2, 2)
    average = WeightAverage(layer, decay=0.0)
    with torch.no_grad():
        layer.weight.add_(1.0)
    average.update(layer)
    assert torch.equal(average.average["weight"], layer.weight)
