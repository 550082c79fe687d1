"""A reward model uses a policy, and leaves it as it was."""

from copy import deepcopy

import pytest
import torch

from dist2_robot.actions.rating import rating_spec
from dist2_robot.policies.reward_model import RewardModel
from dist2_robot.types import Observation
from tests.training.tiny import CONFIG, tiny_policy


@pytest.fixture
def policy():
    return tiny_policy(spec=rating_spec(["reached"], 10.0), changes={"decoding": "argmax"})


@pytest.fixture
def observation():
    return Observation({name: torch.randn(3, size) for name, size in CONFIG["observation"]["numbers"].items()})


def state_of(policy):
    return {
        "tensors": {name: x.clone() for name, x in policy.state_dict().items()},
        "config": policy.config(),
        "is_training": [module.training for module in policy.modules()],
        "requires_grad": [parameter.requires_grad for parameter in policy.parameters()],
        "draws": torch.get_rng_state(),
    }


@pytest.mark.parametrize("is_training", [False, True])
def test_a_policy_that_rates_stays_as_it_was(policy, observation, is_training):
    policy.train(is_training)
    policy.trunk.eval()
    before = state_of(policy)
    RewardModel(policy, "reward").rate(observation)
    after = state_of(policy)
    for x in (before, after):
        x["tensors"] = {name: tensor.tolist() for name, tensor in x["tensors"].items()}
        x["draws"] = x["draws"].tolist()
    assert before == after


def test_a_policy_rates_by_the_mean_whatever_it_acts_by(policy, observation):
    policy.eval()
    acted = policy.act(observation).actions
    model = RewardModel(policy, "reward")
    by_mean = deepcopy(policy)
    by_mean.decoding = "mean"
    assert torch.equal(model.rate(observation), by_mean.act(observation).actions[:, 0])
    assert torch.equal(policy.act(observation).actions, acted)


def test_a_policy_with_another_rule_shares_its_weights(policy, observation):
    other = policy.eval().with_decoding("mean")
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.zero_()
    assert all(not x.any() for x in other.parameters())
    assert policy.decoding == "argmax"
    with pytest.raises(ValueError, match="decoding must be one of"):
        policy.with_decoding("guess")
    assert policy.decoding == "argmax"
