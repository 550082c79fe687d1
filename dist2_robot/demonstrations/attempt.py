"""One attempt of an environment's scripted expert. T actions, A action dimensions."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np

from dist2_robot.actions.rating import RATING, to_rating
from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.episode import Episode
from dist2_robot.demonstrations.lapse import Lapse, draw_lapse
from dist2_robot.rollouts.environment import to_features


@dataclass(frozen=True)
class Attempt:
    """An expert's episode, or why there is none: it did not succeed, or the simulation broke."""

    episode: Episode | None
    message: str = ""


@dataclass(frozen=True)
class Conduct:
    """How an expert behaves, and what is kept of it.

    Attributes:
        noise: Standard deviation of what is added to executed (not to recorded) actions, in half ranges.
        hold_steps: How many steps an episode goes on after its first success, so that a policy learns to stay.
        lapses: Share of the episodes with a `Lapse`, which is recorded as it was executed.
        keep_failures: Whether episodes without success are kept.
        rate: Whether each moment is rated, by the stages that the environment tells.
    """

    noise: float = 0.0
    hold_steps: int = 10
    lapses: float = 0.0
    keep_failures: bool = False
    rate: bool = False


def attempt(env: gym.Env, spec: ActionSpec, seed: int, noise_seed: int, conduct: Conduct) -> Attempt:
    """Let the expert act from the state of a seed until a while after its first success.

    What is executed is the expert's action plus Gaussian noise, within limits; what is recorded is the expert's own
    action, so that the demonstrations show how to come back from where the noise led.
    """
    low = np.array([dimension.low for dimension in spec.dimensions])
    high = np.array([dimension.high for dimension in spec.dimensions])
    rng = np.random.default_rng(noise_seed)
    lapse = _drawn_lapse(noise_seed, conduct.lapses, (high - low) / 2)
    observation, info = env.reset(seed=seed)
    seen, actions, ratings = [], [], []
    steps_left: int | None = None  # None before the first success
    is_over = False
    while not is_over and steps_left != 0:
        action = env.unwrapped.expert_action()  # type: ignore[attr-defined]
        if lapse is not None:
            action = np.clip(lapse(len(actions), action), low, high)
        seen.append(to_features(observation))
        actions.append(action)
        if conduct.rate:
            ratings.append(to_rating(env.unwrapped.stages()))  # type: ignore[attr-defined]
        disturbed = action + conduct.noise * (high - low) / 2 * rng.standard_normal(len(spec))
        observation, _, terminated, truncated, info = env.step(np.clip(disturbed, low, high).astype(np.float32))
        if "simulation_error" in info:
            return Attempt(None, info["simulation_error"])
        is_over = terminated or truncated
        if steps_left is not None:
            steps_left -= 1
        elif info["is_success"]:
            steps_left = conduct.hold_steps
    message = f"no success within {len(actions)} steps" if steps_left is None else ""
    if message and not conduct.keep_failures:
        return Attempt(None, message)
    features = {name: np.stack([each[name] for each in seen]) for name in seen[0]}
    features["action"] = np.asarray(actions, np.float32)  # (T, A)
    if conduct.rate:
        features[RATING] = np.stack(ratings)
    return Attempt(Episode(features, env.unwrapped.task_description, seed), message)  # type: ignore[attr-defined]


def _drawn_lapse(seed: int, share: float, half_ranges: np.ndarray) -> Lapse | None:
    rng = np.random.default_rng([seed, 1])  # apart from the noise, which is the same with lapses and without
    return draw_lapse(rng, half_ranges) if rng.random() < share else None
