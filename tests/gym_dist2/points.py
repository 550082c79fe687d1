"""What the tests of the point tasks share."""

import gym_dist2  # noqa: F401  registers the ids
import gymnasium as gym
import numpy as np

IDS = ["gym_dist2/PointAround-v0", "gym_dist2/PointChoice-v0"]


def make(env_id, **kwargs):
    return gym.make(env_id, disable_env_checker=True, **kwargs).unwrapped


def run(env, seed, choose):
    """Reset to a seed, then `go_on`."""
    env.reset(seed=seed)
    return go_on(env, choose)


def go_on(env, choose):
    """Do what `choose()` says until success or the end; return whether it succeeded and whether it touched."""
    terminated = truncated = False
    while not (terminated or truncated):
        _, _, terminated, truncated, info = env.step(choose())
        if info["is_success"]:
            return True, terminated
    return False, terminated


def experts(env):
    """Return what the expert would do now in each of its modes, (modes, 2)."""
    return np.stack([env.expert_action(mode) for mode in range(env.modes)])


def first_chunks(env, seed, steps=8):
    """Return what the expert does first from a seed in each of its modes, (modes, steps, 2)."""
    chunks = []
    for mode in range(env.modes):
        env.reset(seed=seed)
        chunk = []
        for _ in range(steps):
            chunk.append(env.expert_action(mode))
            env.step(chunk[-1])
        chunks.append(chunk)
    return np.array(chunks)
