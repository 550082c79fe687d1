"""An evaluation depends on its seed alone, even where the policy draws its actions."""

import gym_dist2  # noqa: F401
import gymnasium
import pytest
import torch

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.cli.evaluate import evaluate_policy
from dist2_robot.rollouts.environment import EnvironmentSpec

ENVIRONMENT = EnvironmentSpec("gym_dist2/PointAround-v0", {})


@pytest.fixture
def policy():
    torch.manual_seed(0)
    with gymnasium.make(ENVIRONMENT.id) as env:
        spec = ActionSpec.from_dict(env.metadata["action_spec"])
    config = {
        "name": "token",
        "tokenizer": {"name": "uniform", "horizon": 4, "bins": 16},
        "head": {"name": "free"},
        "observation": {"numbers": {"observation.state": 4, "observation.environment_state": 4}},
        "width": 16,
        "depth": 1,
        "attention_heads": 2,
        "decoding": "sample",
    }
    return build_policy(spec, config).eval()


def evaluate(policy, seed):
    options = {"n_action_steps": 4, "workers": 0, "batch_size": 2, "max_steps": 12}
    results = evaluate_policy(policy, ENVIRONMENT, episodes=3, seed=seed, **options)
    return [episode["jerk"] for episode in results["per_episode"]]


def test_what_a_policy_draws_is_given_by_the_seed_of_the_evaluation(policy):
    first = evaluate(policy, 0)
    torch.rand(7)  # whatever was drawn before
    assert evaluate(policy, 0) == first
    assert evaluate(policy, 1) != first


def test_a_training_that_is_being_checked_draws_on_undisturbed(policy):
    before = torch.get_rng_state()
    evaluate(policy, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_evaluation_stops_once_it_is_sure_enough(policy):
    options = {"n_action_steps": 4, "workers": 0, "batch_size": 4, "max_steps": 4, "episodes": 40, "seed": 0}
    results = evaluate_policy(policy, ENVIRONMENT, until=0.2, **options)
    whole = evaluate_policy(policy, ENVIRONMENT, **options)
    low, high = results["success_interval"]
    assert results["episodes"] in (8, 12)  # of which none can succeed in 4 steps
    assert (high - low) / 2 <= 0.2
    assert [e["index"] for e in results["per_episode"]] == list(range(results["episodes"]))
    seeds = [e["seed"] for e in whole["per_episode"]]
    assert [e["seed"] for e in results["per_episode"]] == seeds[: results["episodes"]]


def test_a_film_is_of_the_episode_that_was_asked_for(policy):
    films = {}
    options = {"n_action_steps": 4, "workers": 0, "batch_size": 2, "max_steps": 4, "episodes": 6, "seed": 0}
    evaluate_policy(
        policy,
        ENVIRONMENT,
        until=0.01,
        film=[3],
        on_film=lambda film, moments: films.update({film.index: moments}),
        **options,
    )
    assert list(films) == [3]
    assert [moment.step for moment in films[3]] == [0]  # one chunk of four actions
    moment = films[3][0]
    assert moment.values.shape == moment.probabilities.shape == (2, 16)
    assert moment.probabilities.sum(-1) == pytest.approx(1)


@pytest.mark.parametrize("head", [{"name": "free"}, {"name": "mixture"}])
def test_a_policy_gives_the_same_episodes_for_any_batch_size_and_number_of_workers(policy, head):
    torch.manual_seed(1)
    config = {**policy.config(), "head": head, "decoding": "local_mean"}
    policy = build_policy(policy.spec, config).eval()
    options = {"n_action_steps": 2, "max_steps": 10, "episodes": 20, "seed": 0}
    first, *others = [
        evaluate_policy(policy, ENVIRONMENT, workers=workers, batch_size=batch_size, **options)["per_episode"]
        for workers, batch_size in ((0, 1), (0, 7), (1, 50), (2, 7))
    ]
    assert all(other == first for other in others)
