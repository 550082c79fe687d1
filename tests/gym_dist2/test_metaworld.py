import subprocess
import sys

import gym_dist2  # noqa: F401  registers the id
import gymnasium as gym
import numpy as np
import pytest
from gym_dist2.metaworld_tasks import TASKS

pytest.importorskip("metaworld")

# Tasks that move furniture in the model, keep windows into the simulation, grasp, or use two objects.
SOME_TASKS = ["door-open-v3", "basketball-v3", "stick-pull-v3", "bin-picking-v3"]


def make(task="push-v3", **kwargs):
    return gym.make("gym_dist2/MetaWorld-v0", task=task, disable_env_checker=True, **kwargs).unwrapped


def expert_episode(env, seed, steps=120):
    """Return all that an outsider sees of an episode in which the expert acts."""
    observation, info = env.reset(seed=seed)
    story = [np.concatenate([observation["agent_pos"], observation["environment_state"]])]
    successes = [info["is_success"]]
    for _ in range(steps):
        observation, reward, _, _, info = env.step(env.expert_action())
        story.append(np.concatenate([observation["agent_pos"], observation["environment_state"], [reward]]))
        successes.append(info["is_success"])
    return np.concatenate(story), successes


def assert_reset_forgets(task):
    fresh, used = make(task), make(task)
    rng = np.random.default_rng(0)
    for seed in (1, 2):
        used.reset(seed=seed)
        for _ in range(30):
            used.step(used.expert_action())
        for _ in range(30):
            used.step(rng.uniform(-1, 1, 4))
    used.reset(seed=3)
    used.step(np.full(4, np.nan))  # leaves MuJoCo's warnings behind
    np.testing.assert_array_equal(expert_episode(used, seed=7)[0], expert_episode(fresh, seed=7)[0])
    for name in ("body_pos", "body_quat", "site_pos", "geom_pos", "eq_data", "geom_rgba", "dof_damping"):
        np.testing.assert_array_equal(getattr(used._env.model, name), getattr(fresh._env.model, name))


@pytest.mark.parametrize("task", SOME_TASKS)
def test_an_episode_depends_on_its_seed_alone(task):
    assert_reset_forgets(task)


@pytest.mark.slow
@pytest.mark.parametrize("task", sorted(TASKS.keys() - set(SOME_TASKS)))
def test_an_episode_depends_on_its_seed_alone_in_every_task(task):
    assert_reset_forgets(task)


def test_another_seed_gives_another_state_and_the_goal_is_seen():
    env = make()
    first, second = (env.reset(seed=seed)[0]["environment_state"] for seed in (0, 1))
    names = env.metadata["observation_names"]["observation.environment_state"]
    goal = slice(names.index("goal_x"), None)
    assert not np.array_equal(first[:2], second[:2])
    assert first[goal].any()
    assert not np.array_equal(first[goal], second[goal])
    env.step(np.zeros(4))
    np.testing.assert_array_equal(env.step(np.zeros(4))[0]["environment_state"][goal], second[goal])


def test_every_task_of_meta_world_has_words():
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    assert set(TASKS) == set(ALL_V3_ENVIRONMENTS)
    assert len(set(TASKS.values())) == 50


@pytest.mark.parametrize("task", ["push-v3", "drawer-open-v3"])
def test_the_expert_succeeds(task):
    env = make(task)
    assert all(any(expert_episode(env, seed)[1]) for seed in range(3))


def test_an_action_moves_the_hand_as_the_spec_says():
    env = make("reach-v3")
    observation, _ = env.reset(seed=0)
    start = observation["agent_pos"][:3]
    for _ in range(10):
        observation, *_ = env.step(np.array([0.0, 1.0, 0.0, 0.0]))
    for _ in range(40):
        observation, *_ = env.step(np.zeros(4))  # let the hand catch up with its target
    moved_cm = 100 * (observation["agent_pos"][:3] - start)
    assert moved_cm == pytest.approx([0, 10, 0], abs=0.7)
    assert env.metadata["action_spec"]["dimensions"][1]["unit"] == "cm"
    assert env.metadata["action_spec"]["rate_hz"] == pytest.approx(80)


def test_names_cover_the_observation():
    env = make()
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    names = env.metadata["observation_names"]
    assert [len(names[key]) for key in ("observation.state", "observation.environment_state")] == [4, 35]
    previous = names["observation.environment_state"].index("previous_hand_x")
    after = env.step(np.ones(4))[0]
    np.testing.assert_array_equal(after["environment_state"][previous : previous + 4], observation["agent_pos"])


def test_an_episode_is_truncated_after_500_steps():
    env = make("reach-v3")
    env.reset(seed=0)
    ends = [env.step(np.zeros(4))[2:4] for _ in range(500)]
    assert ends.index((False, True)) == 499 == env._max_episode_steps - 1


@pytest.mark.fault("R13")
@pytest.mark.filterwarnings("ignore")
def test_a_simulation_that_breaks_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = make()
    env.reset(seed=0)
    _, _, _, truncated, info = env.step(np.array([np.nan, 0, 0, 0]))
    assert truncated
    assert "mjWARN_BADQ" in info["simulation_error"]
    assert not info["is_success"]

    env.reset(seed=0)
    assert "simulation_error" not in env.step(np.zeros(4))[4]
    env._env.data.qvel[0] = 1e12
    assert "simulation_error" in env.step(np.zeros(4))[4]

    env.reset(seed=0)
    env.step(np.zeros(4))
    env._env.data.time = 1.0
    env._env.do_simulation = lambda *args, **kwargs: setattr(env._env.data, "time", 0.0)
    assert "went back" in env.step(np.zeros(4))[4]["simulation_error"]
    assert not list(tmp_path.iterdir())  # MuJoCo's log


def test_a_wrong_task_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no task 'push-v2'; nearest: push-v3"):
        make("push-v2")


def test_importing_the_package_is_cheap():
    code = "import sys, gym_dist2; sys.exit('metaworld' in sys.modules or 'mujoco' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_meta_world_is_told_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "metaworld", None)
    with pytest.raises(ImportError, match=r"pip install 'dist2-robot\[metaworld\]'"):
        make()


@pytest.mark.slow
def test_cameras_and_videos_are_upright():
    # In a process of its own: MuJoCo decides how to draw when it is first imported.
    code = """
import gymnasium, gym_dist2
env = gymnasium.make("gym_dist2/MetaWorld-v0", cameras=("corner2",), image_size=64, render_mode="rgb_array")
image = env.reset(seed=0)[0]["pixels"]["corner2"]
video = env.render()
assert image.shape == (64, 64, 3) and video.shape == (240, 240, 3), (image.shape, video.shape)
assert env.reset(seed=0)[0] in env.observation_space
grey, wood = video[:40].astype(int), video[-40:].astype(int)
assert abs(grey[..., 0] - grey[..., 2]).mean() < 0.5 * abs(wood[..., 0] - wood[..., 2]).mean()  # the table is below
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
