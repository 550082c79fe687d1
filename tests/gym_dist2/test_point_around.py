import numpy as np
import pytest

from tests.gym_dist2.points import IDS, experts, first_chunks, go_on, make, run

ENV_ID = IDS[0]
SEEDS = range(20)


def test_left_is_left_and_right_is_right():
    env = make(ENV_ID)
    for mode, sign in ((0, 1), (1, -1)):
        env.reset(seed=0)
        beside = [env.position[1] for _ in range(env.time_limit) if not env.step(env.expert_action(mode))[2]]
        assert len(beside) == env.time_limit
        assert max(sign * y for y in beside) > 0.2


def test_both_ways_are_right_from_every_start():
    env = make(ENV_ID)
    for seed in SEEDS:
        starts = []
        for mode in range(2):
            starts.append(env.reset(seed=seed)[0])
            assert go_on(env, lambda mode=mode: env.expert_action(mode)) == (True, False)
        assert all(np.array_equal(starts[0][part], starts[1][part]) for part in starts[0])


def test_the_mean_of_both_ways_leads_into_the_obstacle():
    env = make(ENV_ID)
    for seed in SEEDS:
        assert run(env, seed, lambda: experts(env).mean(axis=0)) == (False, False)  # beside it, left and right cancel
        assert np.hypot(*(env.position - env.obstacles[0])) == pytest.approx(0.25, abs=0.005)
        chunk = first_chunks(env, seed).mean(axis=0)
        assert run(env, seed, lambda chunk=chunk: chunk[env._steps % len(chunk)]) == (False, True)


def test_the_expert_gets_to_the_goal_from_anywhere():
    env, rng = make(ENV_ID), np.random.default_rng(0)
    for seed in range(50):
        env.reset(seed=seed)
        place = env.obstacles[0]
        while np.hypot(*(place - env.obstacles[0])) < 0.21:
            place = rng.uniform(-0.45, 0.45, 2)
        env._data.qpos[:] = place
        assert go_on(env, env.expert_action) == (True, False)


@pytest.mark.parametrize("noise", [0.1, 0.2])
def test_the_expert_keeps_its_way_when_it_is_disturbed(noise):
    env, rng = make(ENV_ID), np.random.default_rng(0)
    successes = [
        run(env, seed, lambda: env.expert_action() + noise * 0.03 * rng.standard_normal(2))[0] for seed in range(50)
    ]
    assert np.mean(successes) >= 0.95


def test_goal_and_start_vary_and_the_obstacle_does_not():
    env = make(ENV_ID)
    starts, environments = [], []
    for seed in SEEDS:
        observation, _ = env.reset(seed=seed)
        starts.append(observation["agent_pos"])
        environments.append(observation["environment_state"])
        np.testing.assert_array_equal(observation["environment_state"][:2], env.goals[0].astype(np.float32))
    assert (np.ptp(starts, axis=0)[:2] > 0.005).all()
    assert (np.ptp(environments, axis=0)[:2] > 0.02).all()
    assert (np.ptp(environments, axis=0)[2:] == 0).all()


def test_the_expert_comes_back_when_it_has_gone_too_far():
    env = make(ENV_ID)
    env.reset(seed=0)
    env._data.qpos[:] = env.goals[0] + [0.01, 0.0]
    assert env.expert_action() == pytest.approx([-0.01, 0.0])


def test_the_expert_comes_to_rest_in_the_goal_without_going_too_far():
    env = make(ENV_ID)
    env.reset(seed=0)
    env._data.qpos[:] = env.goals[0] - [0.2, 0.0]
    beyond = [env.step(env.expert_action())[0]["agent_pos"][0] - env.goals[0, 0] for _ in range(30)]
    assert max(beyond) < 1e-4
    assert beyond[-1] == pytest.approx(0, abs=1e-4)
