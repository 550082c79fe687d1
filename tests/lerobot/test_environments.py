"""Our environments as LeRobot makes them: what it observes in them is what our own commands observe."""

import numpy as np
import pytest
import torch
from lerobot.envs import EnvConfig, make_env, preprocess_observation
from lerobot.envs.utils import env_to_policy_features

from dist2_robot.errors import InputError
from dist2_robot.lerobot.environments import Dist2MetaWorldEnvironment, GymDist2Environment
from dist2_robot.rollouts.environment import EnvironmentSpec, make_environment, to_features


def configs():
    yield GymDist2Environment(task="Reach"), EnvironmentSpec("gym_dist2/Reach-v0")
    yield GymDist2Environment(task="Lift", control="hand"), EnvironmentSpec("gym_dist2/Lift-v0", {"control": "hand"})
    yield GymDist2Environment(task="PointAround"), EnvironmentSpec("gym_dist2/PointAround-v0")


def check_the_same(config, spec):
    (envs,) = make_env(config, n_envs=2)[config.type].values()
    ours = make_environment(spec)
    try:
        seen, _ = envs.reset(seed=[5, 6])
        expected, _ = ours.reset(seed=6)
        for _ in range(3):
            theirs, features = preprocess_observation(seen), to_features(expected)
            assert set(theirs) == set(features) == set(env_to_policy_features(config)) - {"action"}
            for name, value in features.items():
                if "images" not in name:
                    assert torch.equal(theirs[name][1], torch.from_numpy(value))
            action = ours.action_space.sample()
            seen, _, _, _, info = envs.step(np.stack([action, action]))
            expected, _, _, _, own = ours.step(action)
            assert bool(info["is_success"][1]) == own["is_success"]
        assert envs.call("_max_episode_steps")[0] == ours.get_wrapper_attr("_max_episode_steps")
        assert envs.call("task")[0] == config.task
        assert envs.call("task_description")[0] == ours.get_wrapper_attr("task_description")
        for name, feature in env_to_policy_features(config).items():
            if name == "action":
                assert feature.shape == ours.action_space.shape
            elif "images" not in name:
                assert tuple(theirs[name].shape[1:]) == feature.shape
    finally:
        envs.close()
        ours.close()


@pytest.mark.parametrize(("config", "spec"), configs(), ids=lambda x: str(getattr(x, "task", "")))
def test_the_same_observations(config, spec):
    check_the_same(config, spec)


@pytest.mark.slow
def test_meta_world():
    pytest.importorskip("metaworld")
    check_the_same(Dist2MetaWorldEnvironment(), EnvironmentSpec("gym_dist2/MetaWorld-v0", {"task": "push-v3"}))


def test_pictures():
    config = GymDist2Environment(task="Reach", cameras=["front"], image_size=32)
    assert env_to_policy_features(config)["observation.images.front"].shape == (3, 32, 32)


def test_names():
    assert EnvConfig.get_choice_class("gym_dist2") is GymDist2Environment
    assert EnvConfig.get_choice_class("dist2_metaworld") is Dist2MetaWorldEnvironment


def test_a_task_that_there_is_not():
    with pytest.raises(InputError, match="Reach"):
        GymDist2Environment(task="Reech")
