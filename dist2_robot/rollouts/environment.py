"""Find an environment by its id and read what it publishes. Imports no torch, so that workers start fast."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import gymnasium as gym
import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.errors import InputError, did_you_mean

logger = logging.getLogger(__name__)

IMAGES = "observation.images."
ENTRY_POINT_GROUP = "dist2_robot.environments"


@dataclass(frozen=True)
class EnvironmentSpec:
    """Which environment to run, and with what arguments.

    Attributes:
        id: A gymnasium id with a namespace, ``gym_dist2/MetaWorld-v0``.
        kwargs: Arguments of its constructor; plain values, since they travel to worker processes.
        history: How many moments an observation holds; with several, each part of it has them first, oldest first.
    """

    id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    history: int = 1

    def __str__(self) -> str:
        return f"{self.id}({', '.join(f'{name}={value}' for name, value in self.kwargs.items())})"


def make_environment(spec: EnvironmentSpec, render: bool = False) -> gym.Env:
    """Build an environment, with pictures from `render()` if asked for.

    Only packages that an installed distribution declares under ``dist2_robot.environments`` are imported.

    Raises:
        InputError: No such environment, arguments that it refuses, or a missing dependency.
    """
    _register(spec.id)
    arguments = {**spec.kwargs, **({"render_mode": "rgb_array"} if render else {})}
    try:
        env = gym.make(spec.id, disable_env_checker=True, **arguments)
    except ImportError as error:  # whatever the arguments are
        raise InputError(f"environment {spec.id}: {' '.join(str(error).split())}") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"environment {spec}: {' '.join(str(error).split())}") from error
    try:
        if spec.history > 1:
            env = gym.wrappers.FrameStackObservation(env, spec.history, padding_type="reset")
        for name in ("action_spec", "observation_names", "render_fps"):
            if name not in env.metadata:
                raise InputError(f"environment {spec.id}: its metadata has no '{name}', which dist2_robot needs")
    except BaseException:
        close_environment(env)
        raise
    return env


def close_environment(env: gym.Env) -> None:
    """Free what an environment holds. One that is broken may fail at that, too, which is warned of."""
    try:
        env.close()
    except Exception as error:
        logger.warning("an environment could not be closed (%s: %s)", type(error).__name__, error)


def action_spec(env: gym.Env) -> ActionSpec:
    """Return what an action of the environment means."""
    return ActionSpec.from_dict(env.metadata["action_spec"])


def to_features(observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Name an observation's parts as LeRobot does: numbers as float32, images as they are (uint8, height x width x 3).

    The names are those of `dist2_robot.types`, which is not imported here because it imports torch.
    """
    features = {}
    if "agent_pos" in observation:
        features["observation.state"] = np.asarray(observation["agent_pos"], np.float32)
    if "environment_state" in observation:
        features["observation.environment_state"] = np.asarray(observation["environment_state"], np.float32)
    for camera, image in observation.get("pixels", {}).items():
        features[f"{IMAGES}{camera}"] = np.asarray(image)
    return features


def _register(environment_id: str) -> None:
    # gymnasium would import the module before a colon, whatever it is.
    namespace, slash, _ = environment_id.partition("/")
    if ":" in environment_id or not slash:
        raise InputError(f"environment id '{environment_id}' must read 'namespace/Name-v0', without a colon")
    packages = {entry.name: entry.value for entry in entry_points(group=ENTRY_POINT_GROUP)}
    if namespace not in packages:
        raise InputError(
            f"no installed package provides environments '{namespace}/...', only {sorted(packages)}."
            f"{did_you_mean(namespace, packages)}"
        )
    import_module(packages[namespace])
    if environment_id not in gym.registry:
        known = [name for name in gym.registry if name.startswith(f"{namespace}/")]
        raise InputError(f"there is no environment '{environment_id}'.{did_you_mean(environment_id, known)}")
