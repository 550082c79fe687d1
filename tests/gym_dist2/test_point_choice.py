import numpy as np
import pytest

from tests.gym_dist2.points import IDS, experts, first_chunks, make, run

ENV_ID = IDS[1]
SEEDS = range(20)


def test_every_goal_counts():
    env = make(ENV_ID)
    for mode in range(3):
        for seed in SEEDS:
            assert run(env, seed, lambda mode=mode: env.expert_action(mode)) == (True, False)
            assert np.hypot(*(env.position - env.goals[mode])) <= 0.04


@pytest.mark.parametrize("average", [np.median, np.mean])
def test_neither_median_nor_mean_of_the_three_ways_reaches_a_goal(average):
    env = make(ENV_ID)
    for seed in SEEDS:
        falls = average is np.median  # the mean hardly moves
        assert run(env, seed, lambda: average(experts(env), axis=0)) == (False, falls)
        chunk = average(first_chunks(env, seed), axis=0)
        assert run(env, seed, lambda chunk=chunk: chunk[env._steps % len(chunk)]) == (False, falls)


def test_the_medians_point_at_the_middle_of_a_pit_whatever_the_rotation():
    env = make(ENV_ID)
    for seed in range(100):
        env.reset(seed=seed)
        env._data.qpos[:] = 0
        median = np.median(experts(env), axis=0)
        cosines = env.obstacles @ median / np.hypot(*env.obstacles.T) / np.hypot(*median)
        assert np.rad2deg(np.arccos(cosines.max())) <= 17


def test_goals_are_120_degrees_apart_and_pits_lie_between_them():
    env = make(ENV_ID)
    rotations = []
    for seed in SEEDS:
        observation, _ = env.reset(seed=seed)
        goals = observation["environment_state"].reshape(3, 2)
        angles = np.rad2deg(np.arctan2(goals[:, 1], goals[:, 0]))
        assert np.diff(angles) % 360 == pytest.approx([120, 120], abs=1e-3)
        assert np.hypot(*goals.T) == pytest.approx(0.38)
        assert env.obstacles == pytest.approx(-env.goals * 0.20 / 0.38)
        rotations.append(angles[0] - 90)
    assert 3 < np.abs(rotations).max() <= 5
