"""From a rated dataset to a reward model, to the best episodes, to a training on them; and beside an evaluation."""

import json

import numpy as np
import pytest
import torch

from dist2_robot.checkpoints.store import load_policy
from dist2_robot.cli.rate import best
from dist2_robot.cli.rater import Rater
from dist2_robot.errors import InputError
from dist2_robot.policies.reward_model import RewardModel
from dist2_robot.types import Observation
from tests.cli.small import SMALL

SHORT = ("device=cpu", "threads=1", "policy.width=8", "policy.depth=1", "policy.attention_heads=1", "trainer.steps=60")


@pytest.fixture
def reward(command, rated, tmp_path):
    outcome = command(
        "dist2-train", "policy=reward_model", f"dataset.root={rated}", *SHORT, f"output={tmp_path}/reward"
    )
    assert outcome.code == 0, outcome.err
    return tmp_path / "reward"


def test_a_reward_model_is_a_checkpoint_like_any_other(reward):
    policy, manifest = load_policy(reward)
    assert policy.spec.names == ("score", "reached", "closed")
    assert manifest.environments == []
    model = RewardModel(policy, reward)
    numbers = {name: torch.randn(3, size) for name, size in policy.observation.numbers.items()}
    scores = model.rate(Observation(numbers))
    assert scores.shape == (3, 3)
    assert (scores >= 0).all()
    assert (scores <= torch.tensor([20.0, 4.0, 4.0])).all()


def test_the_best_episodes_are_trained_on(command, reward, rated, reach, tmp_path):
    out = tmp_path / "out"
    outcome = command("dist2-rate", f"checkpoint={reward}", f"dataset.root={rated}", "keep=0.5", f"output={out}")
    assert outcome.code == 0, outcome.err
    found = json.loads((out / "ratings.json").read_text())
    assert len(found["kept"]) == 4
    kept, left = ([e for e in found["per_episode"] if (e["episode"] in found["kept"]) == is_kept] for is_kept in (1, 0))
    assert min(e["score"] for e in kept) >= max(e["score"] for e in left)
    assert all("true_score" in e for e in kept)
    chosen = f"dataset.episodes={out}/ratings.json"
    outcome = command("dist2-train", f"dataset.root={rated}", chosen, *SMALL, f"output={tmp_path}/run")
    assert outcome.code == 0, outcome.err
    assert "4 episodes" in outcome.out
    outcome = command("dist2-train", f"dataset.root={reach}", chosen, *SMALL, f"output={tmp_path}/other")
    assert outcome.code == 2
    assert "rates" in outcome.err


@pytest.mark.parametrize("chosen", ["[0,99]", "[]", "nowhere.json"])
def test_episodes_that_are_not_there_are_refused(command, reach, chosen):
    outcome = command("dist2-train", f"dataset.root={reach}", f"dataset.episodes={chosen}", *SMALL, "output=run")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1


def test_a_policy_that_acts_is_no_reward_model_and_unrated_data_teach_none(command, reach, tmp_path):
    assert command("dist2-train", f"dataset.root={reach}", *SMALL, f"output={tmp_path}/run").code == 0
    outcome = command("dist2-rate", f"checkpoint={tmp_path}/run", f"dataset.root={reach}")
    assert (outcome.code, "no reward model" in outcome.err) == (2, True)
    outcome = command("dist2-train", "policy=reward_model", f"dataset.root={reach}", f"output={tmp_path}/none")
    assert (outcome.code, "no 'rating'" in outcome.err) == (2, True)


def test_the_best_share_is_the_one_with_the_highest_scores():
    episodes = [{"episode": i, "score": s} for i, s in enumerate([3.0, 20.0, 7.0, 11.0, 1.0])]
    assert best(episodes, 1.0) == [0, 1, 2, 3, 4]
    assert best(episodes, 0.5) == [1, 3]
    assert best(episodes, 0.01) == [1]


class Told:
    """A reward model that rates as it is told."""

    name = "told"

    class policy:  # noqa: N801
        class observation:  # noqa: N801
            names, numbers = (), {}

        @staticmethod
        def parameters():
            yield torch.zeros(1)

    def __init__(self, scores):
        self.scores = iter(scores)

    def rate(self, observation):
        return torch.tensor([[next(self.scores)]])


def test_only_an_episode_that_never_got_far_enough_is_ended():
    rater = Rater(Told([1, 9, 2, 2, 1, 2, 7, 9]), stop_below=8, stop_after=10)  # type: ignore[arg-type]
    assert [rater(0, steps, {}) for steps in (0, 5, 10, 15)] == [False] * 4  # it was at 9 before
    assert [rater(1, steps, {}) for steps in (0, 5, 10)] == [False, False, True]
    assert rater.stopped == {1: 10}
    assert not rater(2, 10, {})
    assert rater.results()["rated_scores"] == [9, 7, 9]


@pytest.mark.parametrize("shown", [{}, {"observation.state": np.zeros(4, np.float32)}])
def test_a_reward_model_of_another_environment_is_refused_in_a_line(reward, shown):
    rater = Rater(RewardModel(load_policy(reward)[0], str(reward)))
    with pytest.raises(InputError, match=r"looks at 3 numbers of 'observation.state', here are [04]: train one on"):
        rater(0, 0, shown)
