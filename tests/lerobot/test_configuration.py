"""The choices of LeRobot's users are those of dist2-train, with the same defaults."""

import pytest

from dist2_robot.cli.compose import compose_config
from dist2_robot.errors import InputError
from dist2_robot.lerobot.choices import GROUPS
from dist2_robot.lerobot.configuration_dist2 import Dist2Config

GIVEN = {"device": "cpu", "push_to_hub": False}


@pytest.mark.parametrize(
    ("choices", "options"),
    [
        ({}, []),
        ({"kind": "regression", "loss": "l1"}, ["policy=regression", "loss=l1"]),
        (
            {"loss": "dist2", "distance": "huber", "temperature": "entropy", "chunk_size": 16, "n_obs_steps": 2},
            ["loss=dist2", "distance=huber", "temperature=entropy", "policy.horizon=16", "policy.history=2"],
        ),
        ({"size": "base", "options": {"tokenizer": {"bins": 64}}}, ["size=base", "tokenizer.bins=64"]),
        ({"width": 32}, ["size.width=32"]),
    ],
)
def test_choices_mean_what_they_mean_to_dist2_train(choices, options):
    ours = Dist2Config(**GIVEN, **choices).training_config()
    theirs = compose_config("train", options)
    assert {group: ours[group] for group in GROUPS if group != "size"} == {
        group: theirs[group] for group in GROUPS if group != "size"
    }
    assert ours["decoding"] == theirs["decoding"]
    assert ours["sampling"] == theirs["sampling"]


def test_defaults_are_those_of_the_commands():
    config, train, evaluation = (
        Dist2Config(**GIVEN),
        compose_config("train", []),
        compose_config("eval", ["checkpoint=x"]),
    )
    assert config.chunk_size == train["policy"]["horizon"]
    assert config.n_action_steps == evaluation["n_action_steps"]
    optimizer, trainer = config.get_optimizer_preset(), train["trainer"]
    assert (optimizer.lr, optimizer.weight_decay) == (trainer["learning_rate"], trainer["weight_decay"])
    assert optimizer.grad_clip_norm == trainer["gradient_clip"]
    assert config.get_scheduler_preset().num_warmup_steps == trainer["warmup_steps"]


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"tokenizer": "unifrom"}, "Did you mean 'uniform'"),
        ({"options": {"tokenizer": {"bin": 3}}}, "Did you mean 'bins'"),
        ({"options": {"tokenzier": {}}}, "Did you mean 'tokenizer'"),
        ({"loss": "../loss/l1"}, "there is no loss"),
        ({"vision": "resnet18", "options": {"vision": {"depth": 3}}}, "no option 'depth'"),
    ],
)
def test_a_choice_that_there_is_not(choices, says):
    with pytest.raises(InputError, match=says):
        Dist2Config(**GIVEN, **choices).training_config()


@pytest.mark.parametrize("choices", [{"n_action_steps": 9}, {"n_action_steps": 0}, {"n_obs_steps": 0}])
def test_impossible_numbers_of_steps(choices):
    with pytest.raises(InputError, match="must be"):
        Dist2Config(**GIVEN, **choices)
