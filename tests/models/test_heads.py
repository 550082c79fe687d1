"""What every head keeps to."""

import json

import pytest
import torch

from dist2_robot.checkpoints.registry import build_head
from dist2_robot.distances.points import TokenPoints
from dist2_robot.models.free_head import FreeHead
from dist2_robot.models.head import Head
from dist2_robot.models.mixture_head import MixtureHead

POINTS = TokenPoints.of_values(torch.linspace(0, 1, 16).repeat(3, 1))
HEADS = {
    "free": lambda: FreeHead(8, POINTS),
    "mixture": lambda: MixtureHead(8, POINTS, components=4, min_scale_bins=0.5),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_built_anew_from_its_config(name):
    head = HEADS[name]()
    assert isinstance(head, Head)
    again = build_head(8, POINTS, json.loads(json.dumps(head.config())))
    again.load_state_dict(head.state_dict())
    x = torch.randn(2, 3, 8)
    assert again.config() == head.config()
    assert torch.equal(again(x), head(x))


@pytest.mark.parametrize("name", HEADS)
def test_a_head_learns_where_one_token_is_right(name):
    head, x = HEADS[name](), 3 * torch.eye(3, 8)[None]
    targets = torch.tensor([2, 9, 15])
    for step in range(400):
        loss = torch.nn.functional.cross_entropy(head(x)[0], targets)
        head.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in head.parameters():
                parameter -= 0.05 * (1 - step / 400) * parameter.grad.clamp(-1, 1)
    assert head(x)[0].argmax(-1).tolist() == targets.tolist()
