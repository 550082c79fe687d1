import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from dist2_robot.actions.spec import ActionSpec
from tests.gym_dist2.points import IDS, make, run

pytestmark = pytest.mark.parametrize("env_id", IDS)


def expert_episode(env, seed):
    """Return all that an outsider sees of an episode in which the expert acts, to its end."""
    observation, info = env.reset(seed=seed)
    story, is_over = [env.mode], False
    while not is_over:
        action = env.expert_action()
        story += [*observation["agent_pos"], *observation["environment_state"], *action, info["is_success"]]
        observation, reward, terminated, truncated, info = env.step(action)
        story.append(reward)
        is_over = terminated or truncated
    return np.array(story)


def test_gymnasium_accepts_it(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*(render modes|reset the environment using a custom).*")
        check_env(make(env_id), skip_render_check=True)


@pytest.mark.filterwarnings("ignore")
def test_an_episode_depends_on_its_seed_alone(env_id):
    fresh, used = make(env_id), make(env_id)
    rng = np.random.default_rng(0)
    for seed in range(5):
        used.reset(seed=seed)
        for _ in range(20):
            used.step(rng.uniform(-0.05, 0.05, 2))
    used.step(np.full(2, np.nan))
    for seed in (7, 8):
        np.testing.assert_array_equal(expert_episode(used, seed), expert_episode(fresh, seed))
    assert not np.array_equal(expert_episode(used, 7), expert_episode(used, 8))


def test_the_expert_succeeds_in_each_mode_and_stays(env_id):
    env = make(env_id)
    outcomes = [run(env, seed, env.expert_action)[0] for seed in range(100)]
    assert np.mean(outcomes) >= 0.95
    for mode in range(env.modes):
        env.reset(seed=0)
        infos = [env.step(env.expert_action(mode))[4]["is_success"] for _ in range(env.time_limit)]
        assert infos == sorted(infos)  # no success is lost again
        assert infos[-1]


def test_the_start_does_not_tell_what_the_expert_will_choose(env_id):
    env = make(env_id)
    observations, modes = [], []
    for seed in range(300):
        observation, _ = env.reset(seed=seed)
        observations.append(np.concatenate([observation["agent_pos"], observation["environment_state"]]))
        modes.append(env.mode)
    for mode in range(env.modes):
        chosen = np.array(modes) == mode
        assert 0.7 / env.modes <= chosen.mean() <= 1.3 / env.modes  # of two: 35 % to 65 %
        here, elsewhere = np.array(observations)[chosen], np.array(observations)[~chosen]
        error = np.sqrt(here.var(axis=0) / len(here) + elsewhere.var(axis=0) / len(elsewhere))
        assert (np.abs(here.mean(axis=0) - elsewhere.mean(axis=0)) <= 4 * error + 1e-6).all()


def test_actions_add_up_to_where_the_point_comes_to_rest(env_id):
    env = make(env_id)
    env.reset(seed=0)
    start = env.position
    actions = np.array([[-0.03, 0.002], [0.02, 0.01], [0.001, -0.03], [-0.1, 0.0], *np.zeros((6, 2))])
    for action in actions:
        env.step(action)
    limit = ActionSpec.from_dict(env.metadata["action_spec"]).dimensions[0].high
    assert limit == 0.03
    assert env.position - start == pytest.approx(np.clip(actions, -limit, limit).sum(axis=0), abs=1e-6)
    assert env.velocity == pytest.approx([0, 0], abs=1e-6)


def test_names_cover_the_observation(env_id):
    env = make(env_id)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    names = env.metadata["observation_names"]
    assert len(names["observation.state"]) == len(observation["agent_pos"]) == 4
    assert len(names["observation.environment_state"]) == len(observation["environment_state"])
    spec = ActionSpec.from_dict(env.metadata["action_spec"])
    assert (spec.names, spec.units, spec.control_mode) == (("point_x", "point_y"), ("m", "m"), "delta")
    assert spec.rate_hz == env.metadata["render_fps"] == 10
    env.step(np.zeros(2))
    assert env._data.time == pytest.approx(1 / spec.rate_hz)


def test_success_and_reward_are_as_the_distance_says(env_id):
    env = make(env_id)
    env.reset(seed=0)
    for offset, expected in ((0.039, True), (0.041, False)):
        env._data.qpos[:] = env.goals[0] + [0, offset]
        _, reward, terminated, _, info = env.step(np.zeros(2))
        assert (info["is_success"], terminated) == (expected, False)
        assert reward == pytest.approx(1 - offset / np.sqrt(2))


def test_touching_an_obstacle_ends_the_episode_as_a_failure(env_id):
    env = make(env_id)
    radius = env._model.geom_size[-1, 0] + 0.02  # the last geom is an obstacle
    for gap, expected in ((0.001, False), (-0.001, True)):
        env.reset(seed=0)
        env._data.qpos[:] = env.obstacles[-1] + [0, -radius - gap]
        _, reward, terminated, truncated, info = env.step(np.zeros(2))
        assert (terminated, truncated, info["is_success"]) == (expected, False, False)
        assert (reward == 0) == expected


def test_an_episode_is_truncated_at_its_limit(env_id):
    env = make(env_id)
    env.reset(seed=0)
    ends = [env.step(np.zeros(2))[2:4] for _ in range(env.time_limit)]
    assert ends.index((False, True)) == env.time_limit - 1


@pytest.mark.parametrize("direction", [(1, 0), (0, -1), (-1, 1)])
def test_the_point_stays_on_the_table(env_id, direction):
    env = make(env_id)
    env.reset(seed=0)
    env._data.qpos[:] = 0.4 * np.array(direction)
    for _ in range(20):
        observation, _, terminated, _, _ = env.step(0.03 * np.array(direction))
        assert observation in env.observation_space
        assert not terminated
    assert np.abs(env.position).max() == pytest.approx(0.48, abs=0.01)


@pytest.mark.fault("R13")
def test_an_action_that_is_not_finite_is_told(env_id):
    env = make(env_id)
    env.reset(seed=0)
    observation, _, terminated, truncated, info = env.step(np.array([np.nan, 0.0]))
    assert (terminated, truncated, info["is_success"]) == (False, True, False)
    assert info["simulation_error"] == "the action is not finite: [nan, 0.0]"
    assert observation in env.observation_space


def test_a_wrong_render_mode_is_told_in_one_line(env_id):
    with pytest.raises(ValueError, match="render_mode must be None or 'rgb_array', got 'human'"):
        type(make(env_id))(render_mode="human")


def test_registering_imports_no_simulator(env_id):
    code = f"import sys, gym_dist2, gymnasium; gymnasium.spec('{env_id}'); sys.exit('mujoco' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(os.environ["MUJOCO_GL"] == "disabled", reason="no renderer")
def test_a_picture_shows_point_goals_and_obstacles_where_they_are(env_id):
    env = make(env_id, render_mode="rgb_array", render_size=200)
    env.reset(seed=3)
    before = env._data.qpos.copy()
    picture = env.render().astype(int)
    env.close()
    assert picture.shape == (200, 200, 3)
    np.testing.assert_array_equal(env._data.qpos, before)
    places = {0: env.obstacles, 1: env.goals, 2: env.position[None]}  # the channel that prevails
    for channel, centres in places.items():
        for x, y in centres:
            column, row = round(100 + 200 * x / 1.05), round(100 - 200 * y / 1.05)
            assert picture[row, column].argmax() == channel
            assert np.ptp(picture[row, column]) > 50
