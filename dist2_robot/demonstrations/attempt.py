"""One attempt of an environment's scripted expert. T actions, A action dimensions."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.episode import Episode
from dist2_robot.rollouts.environment import to_features


@dataclass(frozen=True)
class Attempt:
    """An expert's episode, or why there is none: it did not succeed, or the simulation broke."""

    episode: Episode | None
    message: str = ""


def attempt(env: gym.Env, spec: ActionSpec, seed: int, noise_seed: int, noise: float, hold_steps: int) -> Attempt:
    """Let the expert act from the state of a seed until `hold_steps` steps after its first success.

    What is executed is the expert's action plus Gaussian noise of `noise` half ranges, within limits; what is recorded
    is the expert's own action, so that the demonstrations show how to come back from where the noise led.
    """
    low = np.array([dimension.low for dimension in spec.dimensions])
    high = np.array([dimension.high for dimension in spec.dimensions])
    rng = np.random.default_rng(noise_seed)
    observation, info = env.reset(seed=seed)
    seen, actions = [], []
    steps_left: int | None = None  # None before the first success
    is_over = False
    while not is_over and steps_left != 0:
        action = env.unwrapped.expert_action()  # type: ignore[attr-defined]
        seen.append(to_features(observation))
        actions.append(action)
        disturbed = action + noise * (high - low) / 2 * rng.standard_normal(len(spec))
        observation, _, terminated, truncated, info = env.step(np.clip(disturbed, low, high).astype(np.float32))
        if "simulation_error" in info:
            return Attempt(None, info["simulation_error"])
        is_over = terminated or truncated
        if steps_left is not None:
            steps_left -= 1
        elif info["is_success"]:
            steps_left = hold_steps
    if steps_left is None:
        return Attempt(None, f"no success within {len(actions)} steps")
    features = {name: np.stack([each[name] for each in seen]) for name in seen[0]}
    features["action"] = np.asarray(actions, np.float32)  # (T, A)
    return Attempt(Episode(features, env.unwrapped.task_description, seed))  # type: ignore[attr-defined]
