"""An arm in a simulation that lives in real time, as a robot for the control loop.

There is no thread: whenever the robot is asked something, physics is first brought up to the clock. With a clock that
only jumps, as in lockstep, it is deterministic.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dist2_robot.deploy.clock import Clock, MonotonicClock
from dist2_robot.deploy.limits import MotionLimits
from dist2_robot.deploy.robot import Reading, RobotDescription, RobotError
from dist2_robot.errors import InputError
from dist2_robot.rollouts.environment import (
    IMAGES,
    EnvironmentSpec,
    action_spec,
    close_environment,
    make_environment,
    to_features,
)

MAX_CATCH_UP_S = 1.0  # of physics at once: after a longer pause the rest of it did not happen
PICTURE_PERIOD_S = 0.03  # a younger picture is shown again: cameras have some 30 a second, and drawing is slow
JOINT_SPEED, GRIPPER_SPEED = 180.0, 300.0  # deg/s, or %/s of an arm that is told in percent; and %/s
_LIVES = ("command", "advance", "observe", "is_done")  # what an environment has that time passes in


class SimulatedArm:
    """A `deploy.robot.SimulatedRobot` over an environment whose actions are joint targets.

    Args:
        environment: By id, e.g. ``gym_dist2/PickPlace-v0`` with ``cameras`` and ``image_size``.
        clock: What time it is in the simulation.
        seed: Of the world that it is in when it is connected.
        velocity: Dimension -> largest speed, in its unit a second; others have `JOINT_SPEED` and `GRIPPER_SPEED`.

    Raises:
        InputError: No such environment, its actions are not absolute joint targets, or time does not pass in it.
    """

    def __init__(
        self,
        environment: EnvironmentSpec,
        clock: Clock | None = None,
        *,
        seed: int = 0,
        velocity: Mapping[str, float] | None = None,
    ) -> None:
        self._clock = clock or MonotonicClock()
        made = make_environment(replace(environment, history=1))
        self._env: Any = made.unwrapped
        try:
            self._description = _describe(environment, self._env, velocity or {})
        except BaseException:
            close_environment(made)
            raise
        self._seed = seed
        self._is_connected = self._is_in_episode = False
        self._now_s = 0.0  # up to when physics has run
        self._pictures: dict[str, np.ndarray] = {}
        self._pictures_s = -np.inf

    @property
    def description(self) -> RobotDescription:
        """What it is."""
        return self._description

    @property
    def task(self) -> str:
        """What is to be done in it, in words."""
        return str(self._env.task_description)

    @property
    def time_limit_s(self) -> float:
        """How long an episode lasts in evaluations."""
        return self._env.time_limit / self._description.spec.rate_hz

    @property
    def is_connected(self) -> bool:
        return self._is_connected

    def connect(self) -> None:
        """Begin to live, in the world of the last episode or else in that of the first seed."""
        if not self._is_in_episode:
            self.begin_episode(self._seed)
        self._now_s = self._clock.now()
        self._is_connected = True

    def begin_episode(self, seed: int) -> None:
        """Put the world into the initial state of a seed. The joints stand still afterwards."""
        self._env.reset(seed=seed)
        self._is_in_episode = True
        self._now_s, self._pictures_s = self._clock.now(), -np.inf

    def read(self) -> Reading:
        """Return what it senses now.

        Raises:
            RobotError: It is not connected, or the simulation failed, and does until the next episode.
        """
        self._catch_up()
        is_due = bool(self._description.pictures) and self._now_s - self._pictures_s >= PICTURE_PERIOD_S
        features = to_features(self._env.observe(pictures=is_due))
        if is_due:
            self._pictures = {name: features[name] for name in self._description.pictures}
            self._pictures_s = self._now_s
        return Reading(
            features={**features, **self._pictures},
            positions=np.asarray(features["observation.state"], np.float64),
            measured_s=self._now_s,
            frames_s=dict.fromkeys(self._pictures, self._pictures_s),
            is_success=self._env.is_done(),
        )

    def send(self, targets: np.ndarray) -> np.ndarray:
        """Ask for joint targets (A,); return them inside the limits of the joints."""
        self._catch_up()
        try:
            self._env.command(targets)
        except ValueError as error:
            raise RobotError(f"{self._description.name}: {error}") from error
        return np.clip(targets, self._description.limits.low, self._description.limits.high)

    def stop(self) -> None:
        """Hold the joints where they are."""
        if self._is_connected:
            self._catch_up()
            self._env.command(self._env.observe(pictures=False)["agent_pos"])

    def disconnect(self) -> None:
        """Stop living, and free the drawing contexts."""
        self._is_connected = False
        self._env.close()

    def _catch_up(self) -> None:
        if not self._is_connected:
            raise RobotError(f"{self._description.name} is not connected")
        now = self._clock.now()
        elapsed, self._now_s = min(now - self._now_s, MAX_CATCH_UP_S), now
        try:
            self._env.advance(max(elapsed, 0.0))
        except RuntimeError as error:
            raise RobotError(f"{self._description.name}: {error}") from error


def _describe(environment: EnvironmentSpec, env: Any, velocity: Mapping[str, float]) -> RobotDescription:
    spec = action_spec(env)
    if spec.control_mode != "absolute" or not {d.kind for d in spec.dimensions} <= {"joint", "gripper"}:
        raise InputError(
            f"environment {environment} is no arm that can be deployed to: its actions are {spec.control_mode} "
            f"{', '.join(spec.names)}, and absolute joint positions are needed; for gym_dist2's arm say control=joint"
        )
    if missing := [name for name in _LIVES if not hasattr(env, name)]:
        raise InputError(
            f"environment {environment} is no arm that can be deployed to: it has no {missing[0]}(), so time passes in "
            "it by steps only; use one of gym_dist2's SO-101 tasks"
        )
    spaces = env.observation_space.spaces.get("pixels", {})
    return RobotDescription(
        name=f"simulated {environment}",
        spec=spec,
        limits=MotionLimits.of_spec(spec, JOINT_SPEED, GRIPPER_SPEED, velocity),
        observation_names={name: tuple(names) for name, names in env.metadata["observation_names"].items()},
        pictures={f"{IMAGES}{camera}": space.shape[:2] for camera, space in spaces.items()},
        stop="hold",
        on_disconnect="hold",
        is_simulated=True,
        observation_units={name: tuple(units) for name, units in env.metadata.get("observation_units", {}).items()},
    )
