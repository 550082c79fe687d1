"""Our environments for LeRobot: ``--env.type=gym_dist2`` and ``--env.type=dist2_metaworld``, with states.

They observe what `dist2-eval` observes, and report success in the same way; LeRobot counts an episode as a success if
any step of it was one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import gymnasium as gym
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.envs import EnvConfig

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.errors import InputError
from dist2_robot.rollouts.environment import IMAGES, EnvironmentSpec, make_environment
from dist2_robot.types import ACTION, ENVIRONMENT_STATE, STATE

_NAMES = {"agent_pos": STATE, "environment_state": ENVIRONMENT_STATE}  # gymnasium's -> LeRobot's


@dataclass
class Dist2Environment(EnvConfig):
    """An environment of ours with some arguments. Its features are read from the environment itself.

    Attributes:
        cameras: Cameras whose pictures are observed.
        image_size: Height and width of them, in pixels.
        kwargs: More arguments of the environment.
    """

    cameras: list[str] = field(default_factory=list)
    image_size: int = 96
    kwargs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        published = _publish(self.gym_id, _frozen(self.gym_kwargs))
        self.fps, self.features = published.fps, dict(published.features)
        self.features_map = {
            ACTION: ACTION,
            **_NAMES,
            **{f"pixels/{camera}": f"{IMAGES}{camera}" for camera in self.cameras},
        }

    @property
    def package_name(self) -> str:
        return "gym_dist2"

    @property
    def gym_kwargs(self) -> dict[str, Any]:
        pictures = {"cameras": tuple(self.cameras), "image_size": self.image_size} if self.cameras else {}
        return {**self.kwargs, **pictures}

    def create_envs(self, n_envs: int, use_async_envs: bool = False) -> dict[str, dict[int, VectorEnv]]:
        """Return ``{type: {0: environments}}``, each of which can be filmed."""
        make = partial(make_environment, EnvironmentSpec(self.gym_id, self.gym_kwargs), render=True)
        makers: list[Callable[[], gym.Env]] = [make] * n_envs
        if use_async_envs and n_envs > 1:
            envs = AsyncVectorEnv(makers, context="forkserver", autoreset_mode=AutoresetMode.SAME_STEP)
        else:
            envs = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
        return {self.type: {0: envs}}


@EnvConfig.register_subclass("gym_dist2")
@dataclass
class GymDist2Environment(Dist2Environment):
    """The simulated SO-101 arm and the point: ``--env.task=Reach``.

    Attributes:
        task: Reach, Push, Lift, PickPlace, OpenDrawer, ReachAround, SortTwo, PointAround or PointChoice.
        control: Of the arm, ``joint`` or ``hand``; None as the task has it.
    """

    task: str | None = "Reach"
    control: str | None = None

    @property
    def gym_id(self) -> str:
        return f"gym_dist2/{self.task}-v0"

    @property
    def gym_kwargs(self) -> dict[str, Any]:
        return {**super().gym_kwargs, **({"control": self.control} if self.control else {})}


@EnvConfig.register_subclass("dist2_metaworld")
@dataclass
class Dist2MetaWorldEnvironment(Dist2Environment):
    """Meta-World with its state, unlike LeRobot's own, and with resets that are a function of the seed."""

    task: str | None = "push-v3"

    @property
    def gym_id(self) -> str:
        return "gym_dist2/MetaWorld-v0"

    @property
    def gym_kwargs(self) -> dict[str, Any]:
        return {"task": self.task, **super().gym_kwargs}


@dataclass(frozen=True)
class _Published:
    fps: int
    features: dict[str, PolicyFeature]


@cache
def _publish(gym_id: str, kwargs: tuple[tuple[str, Any], ...]) -> _Published:
    """Make an environment once, and return its rate and what it observes and takes, by gymnasium's names."""
    env = make_environment(EnvironmentSpec(gym_id, dict(kwargs)))
    try:
        spaces = env.observation_space
        rate_hz = ActionSpec.from_dict(env.metadata["action_spec"]).rate_hz
        assert isinstance(spaces, gym.spaces.Dict)
        assert env.action_space.shape is not None
        features = {ACTION: PolicyFeature(type=FeatureType.ACTION, shape=env.action_space.shape)}
        for name, kind in (("agent_pos", FeatureType.STATE), ("environment_state", FeatureType.ENV)):
            if name in spaces.spaces:
                features[name] = PolicyFeature(type=kind, shape=spaces[name].shape or ())
        pictures = spaces.spaces.get("pixels")
        for camera, space in pictures.spaces.items() if isinstance(pictures, gym.spaces.Dict) else ():
            features[f"pixels/{camera}"] = PolicyFeature(type=FeatureType.VISUAL, shape=space.shape or ())
    finally:
        env.close()
    return _Published(round(rate_hz), features)


def _frozen(kwargs: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    try:
        hash(frozen := tuple(kwargs.items()))
    except TypeError as error:
        raise InputError(f"--env.kwargs takes numbers and words, got {kwargs} ({error})") from error
    return frozen
