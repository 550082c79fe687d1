"""The optimum of a policy that is paid by distance, found without knowing it."""

import pytest
import torch

from dist2_robot.claims.policy_gradient import METRICS, climb, distance_of_optimum, learn, metric
from dist2_robot.claims.theory import METHODS

SETTINGS = {"tau": 8.0, "batch_size": 16, "learning_rate": 0.01}


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_metrics(name):
    table = metric(name, 0)
    assert torch.equal(table, table.mT)
    assert not table.diagonal().any()
    assert table[~torch.eye(len(table), dtype=torch.bool)].min() > 0


@pytest.mark.parametrize("name", METRICS)
def test_ascent_finds_the_target_of_dist2(name):
    found = distance_of_optimum({"metric": name, "tau": 2.0, "truths": 1}, 600, 0)
    assert found["total_variation"] < 0.05


def test_with_two_truths_the_two_optima_part():
    assert distance_of_optimum({"metric": "squared", "tau": 8.0, "truths": 2}, 300, 0)["total_variation"] > 0.5


def test_ascent_depends_on_the_reward_alone():
    rewards = -metric("absolute", 0)[:4]
    one, two = (climb(rewards, 8.0, 600, seed) for seed in (0, 1))
    assert (one - two).abs().max() < 0.01


@pytest.mark.parametrize("method", METHODS)
def test_every_way_of_learning_learns_and_does_so_again(method):
    settings = SETTINGS | METHODS[method]
    begun, ended = learn(settings, 1, 0), learn(settings, 60, 0)
    assert ended["expected_distance"] < begun["expected_distance"]
    assert ended == learn(settings, 60, 0)
    assert min(ended.values()) >= 0
