"""Experts that lapse, episodes that fail, moments that are rated."""

from typing import Any

import gymnasium as gym
import numpy as np

from dist2_robot.actions.rating import MOST, RATING, to_rating
from dist2_robot.demonstrations.attempt import Conduct, attempt
from dist2_robot.demonstrations.lapse import HELD_STEPS, draw_lapse
from dist2_robot.rollouts.environment import EnvironmentSpec, action_spec, make_environment

POINT = EnvironmentSpec("gym_dist2/PointAround-v0")


def attempts(count=6, **conduct):
    env = make_environment(POINT)
    return [attempt(env, action_spec(env), seed, 100 + seed, Conduct(**conduct)) for seed in range(count)]


def test_without_lapses_nothing_changes():
    for plain, other in zip(attempts(noise=0.1), attempts(noise=0.1, rate=True, keep_failures=True), strict=True):
        assert plain.episode is not None
        assert other.episode is not None
        assert RATING not in plain.episode.features
        for name, column in plain.episode.features.items():
            np.testing.assert_array_equal(other.episode.features[name], column)


def test_failures_are_kept_where_they_are_wanted_and_say_that_they_are():
    kept, left = attempts(20, lapses=1.0, keep_failures=True), attempts(20, lapses=1.0)
    assert 0 < sum(one.episode is None for one in left) < 20
    for one, other in zip(kept, left, strict=True):
        assert one.episode is not None
        assert one.message == other.message
        assert (other.episode is None) == bool(one.message)


def test_the_top_score_is_that_of_a_success():
    for one in attempts(20, lapses=1.0, keep_failures=True, rate=True):
        assert one.episode is not None
        scores = one.episode.features[RATING][:, 0]
        assert len(scores) == len(one.episode)
        assert scores[0] <= 4
        assert (scores.max() == MOST) == (not one.message)


def test_the_rating_is_of_the_moment_that_is_seen():
    [one] = attempts(1, rate=True)
    assert one.episode is not None
    env: Any = gym.make(POINT.id, disable_env_checker=True).unwrapped
    env.reset(seed=0)
    for action, rating in zip(one.episode.features["action"], one.episode.features[RATING], strict=True):
        np.testing.assert_array_equal(to_rating(env.stages()), rating)
        env.step(action)


def test_a_lapse_keeps_to_its_steps():
    action = np.zeros(2)
    for seed in range(50):
        lapse = draw_lapse(np.random.default_rng(seed), [1.0, 2.0])
        during = [lapse(step, action) for step in range(lapse.begin, lapse.end)]
        assert all((np.abs(one) <= [0.5, 1.0]).all() and one.any() for one in during)
        assert not lapse(lapse.begin - 1, action).any()
        assert not lapse(lapse.end, action).any()
        assert len({tuple(one) for one in during}) == -(-len(during) // HELD_STEPS)
