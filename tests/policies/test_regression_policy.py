"""Laws of the policy without tokens. B batch, T steps, A action dimensions."""

import json
import math

import pytest
import torch
from torch import nn

from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.errors import InputError
from dist2_robot.losses.output import LossOutput
from dist2_robot.types import Batch
from tests.policies.test_token_policy import HIGH, LOW, SIZES, SPEC, T, observe

CONFIG = {
    "name": "regression",
    "horizon": T,
    "observation": {"numbers": SIZES},
    "width": 16,
    "depth": 2,
    "attention_heads": 2,
}


class MeanSquare(nn.Module):
    def forward(self, error, *, padding_mask):
        return LossOutput(error.masked_fill(padding_mask[..., None], 0.0).square().mean())


def act_always(policy, actions):
    """Make the policy choose the same actions (A,) whatever it sees."""
    with torch.no_grad():
        policy.linear.weight.zero_()
        policy.linear.bias.copy_(2 * (actions - LOW) / (HIGH - LOW) - 1)
    return policy


def test_it_acts_in_the_units_of_the_spec_within_its_limits():
    policy = build_policy(SPEC, CONFIG)
    with torch.no_grad():
        policy.linear.weight *= 50
    actions = policy.act(observe(8)).actions
    assert actions.shape == (8, T, len(SPEC))
    assert (actions >= LOW).all()
    assert (actions <= HIGH).all()
    assert policy.act(observe(1)).tokens is None


def test_its_loss_is_zero_where_it_does_what_was_done_and_across_the_ends_of_a_circle():
    policy = act_always(build_policy(SPEC, CONFIG), torch.tensor([math.pi - 0.01, 1100.0, 50.0]))
    done = torch.tensor([-math.pi + 0.01, 1100.0, 50.0]).expand(2, T, -1)
    loss = policy.loss(MeanSquare(), Batch(observe(2), done, torch.zeros(2, T, dtype=torch.bool))).loss
    assert loss.item() == pytest.approx((0.02 / math.pi) ** 2 / 3, rel=1e-3)


def test_its_config_and_its_state_are_all_that_it_is():
    policy, seen = build_policy(SPEC, CONFIG), observe(3)
    again = build_policy(SPEC, json.loads(json.dumps(policy.config())))
    again.load_state_dict(policy.state_dict())
    assert torch.equal(again.act(seen).actions, policy.act(seen).actions)


def test_weights_that_are_not_finite_are_an_error():
    policy = act_always(build_policy(SPEC, CONFIG), torch.tensor([math.nan, 1100.0, 50.0]))
    with pytest.raises(ValueError, match="not finite"):
        policy.act(observe(1))


def test_what_only_tokens_have_is_refused():
    with pytest.raises(InputError, match="decoding"):
        build_policy(SPEC, CONFIG | {"decoding": "mean"})
