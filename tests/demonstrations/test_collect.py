import itertools
import multiprocessing

import numpy as np
import pytest

from dist2_robot.demonstrations.attempt import Conduct
from dist2_robot.demonstrations.collect import collect_episodes
from dist2_robot.errors import InputError
from dist2_robot.rollouts.environment import EnvironmentSpec, action_spec, make_environment
from dist2_robot.seeding import stream_seed


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    assert not multiprocessing.active_children()


def collect(spec, episodes=4, seed=0, **changes):
    conduct = Conduct(**{key: changes.pop(key) for key in ("noise", "hold_steps") if key in changes})
    return list(collect_episodes(spec, episodes, seed, conduct=conduct, **({"workers": 2} | changes)))


def same(first, second):
    return len(first) == len(second) and all(
        a.seed == b.seed
        and a.features.keys() == b.features.keys()
        and all(np.array_equal(a.features[name], b.features[name]) for name in a.features)
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.fault("R10")
def test_episodes_are_a_function_of_the_seed_whatever_the_workers(walk):
    pair = collect(walk())
    assert same(pair, collect(walk(), workers=1))
    assert not same(pair, collect(walk(), seed=1))


def test_failed_attempts_are_left_out_in_order(walk):
    seeds = [stream_seed(0, "collect", k) for k in range(6)]
    spec = walk(faults={seeds[1]: (2, "simulation_error"), seeds[2]: (3, "end")})
    told = []
    episodes = collect(spec, on_attempt=lambda number, attempt: told.append((number, attempt.message)))
    assert [episode.seed for episode in episodes] == [seeds[k] for k in (0, 3, 4, 5)]
    assert told[:4] == [(0, ""), (1, "the floor is lava"), (2, "no success within 3 steps"), (3, "")]


def test_an_episode_ends_a_while_after_its_first_success(walk):
    for hold_steps in (0, 3):
        for episode in collect(walk(goal=2.0), noise=0.0, hold_steps=hold_steps):
            x = episode.features["observation.state"][:, 0]
            steps_to_success = int(np.ceil(max(0.0, (2.0 - x[0]) / 0.5))) or 1
            assert len(episode) == steps_to_success + hold_steps
            assert episode.task == "Walk to the right."


def test_labels_are_clean_and_execution_is_noisy(walk):
    for episode in collect(walk(), noise=0.2):
        np.testing.assert_array_equal(episode.features["action"], np.tile(np.float32([0.5, 0.0]), (len(episode), 1)))
        executed = np.diff(episode.features["observation.state"], axis=0)
        disturbance = executed - episode.features["action"][:-1]
        assert 0.05 < disturbance.std() < 0.5
        assert np.abs(executed).max() < 1.0001  # clipped to the limits
        assert {value.dtype for value in episode.features.values()} == {np.dtype(np.float32)}


def test_an_expert_that_hardly_succeeds_is_given_up(walk):
    with pytest.raises(InputError, match=r"succeeded in only 0 of 5 attempts .*no success within 20 steps"):
        collect(walk(goal=100.0), max_attempts=5)
    with pytest.raises(InputError, match="no such walk"):
        collect(walk(fails_to_build=True))


def test_a_caller_may_stop_early(walk):
    assert len(list(itertools.islice(collect_episodes(walk(), 50, 0, workers=2), 2))) == 2


@pytest.mark.slow
def test_replaying_the_labels_of_a_clean_demonstration_succeeds_in_meta_world():
    pytest.importorskip("metaworld")
    spec = EnvironmentSpec("gym_dist2/MetaWorld-v0", {"task": "pick-place-v3"})
    env = make_environment(spec)
    assert len(action_spec(env)) == 4
    for episode in collect(spec, episodes=3, noise=0.0):
        observation, _ = env.reset(seed=episode.seed)
        successes = []
        for seen, action in zip(episode.features["observation.state"], episode.features["action"], strict=True):
            np.testing.assert_array_equal(observation["agent_pos"], seen)
            observation, *_, info = env.step(action)
            successes.append(info["is_success"])
        assert successes.index(True) == len(episode) - 11
