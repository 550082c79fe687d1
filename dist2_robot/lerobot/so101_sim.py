"""The simulated SO-101 as a LeRobot robot, with the names and units of ``so101_follower``.

LeRobot's commands find it with ``--discover_packages_path=dist2_robot.lerobot --robot.type=so101_sim``.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from lerobot.robots import Robot
from lerobot.utils.decorators import check_if_already_connected, check_if_not_connected

from dist2_robot.deploy.clock import Clock, MonotonicClock
from dist2_robot.deploy.robots.simulated_arm import SimulatedArm
from dist2_robot.lerobot.config_so101_sim import SO101SimConfig
from dist2_robot.rollouts.environment import IMAGES, EnvironmentSpec

_STATE, _WORLD = "observation.state", "observation.environment_state"


@dataclass
class SimulatedCamera:
    """What LeRobot asks of a camera that has no device.

    Attributes:
        height: Of its pictures.
        width: Of its pictures.
        latest_timestamp: When the last one was taken, as `time.perf_counter` tells it.
    """

    height: int
    width: int
    latest_timestamp: float | None = None
    fps: int = 30
    is_connected: bool = True


class SO101Sim(Robot):
    """Joints in degrees or in percent, the gripper in percent; with ``use_poses`` then hand and things, in m and rad.

    LeRobot gives a policy only what ends in ``.pos`` or ``.vel``, all as one ``observation.state`` in the order of
    `observation_features`: the 6 joints, then ``hand_x.pos``, ``hand_y.pos``, ``hand_z.pos``, then the task's things.

    Args:
        config: See there.
        clock: What time it is in the simulation; by the config if not given.

    Raises:
        InputError: There is no such task or camera.
    """

    config_class = SO101SimConfig
    name = "so101_sim"

    def __init__(self, config: SO101SimConfig, clock: Clock | None = None) -> None:
        super().__init__(config)
        self.config = config
        self._stepped = None if config.real_time or clock else _SteppedClock(1 / config.fps)
        kwargs: dict[str, Any] = {"visuals": config.visuals}
        if config.camera_names:
            kwargs |= {"cameras": tuple(config.camera_names), "image_size": config.image_size}
        if not config.use_degrees:
            kwargs["use_degrees"] = False
        if config.perturb:
            kwargs["perturb"] = dict(config.perturb)
        environment = EnvironmentSpec(f"gym_dist2/{config.task}-v0", kwargs)
        self.arm = SimulatedArm(environment, clock or self._stepped or MonotonicClock())
        self.cameras = {name: SimulatedCamera(config.image_size, config.image_size) for name in config.camera_names}
        self._seed, self._is_success = config.seed, False
        self._targets = np.zeros(6)

    @property
    def environment_state_names(self) -> tuple[str, ...]:
        """Which observations are places of hand and things, in order."""
        names = self.arm.description.observation_names[_WORLD] if self.config.use_poses else ()
        return tuple(f"{name}.pos" for name in names)

    @property
    def environment_state_units(self) -> tuple[str, ...]:
        """The unit of each of these."""
        return tuple(self.arm.description.observation_units[_WORLD]) if self.config.use_poses else ()

    @property
    def observation_features(self) -> dict[str, type | tuple]:
        numbers = dict.fromkeys((*self.arm.description.spec.names, *self.environment_state_names), float)
        return {**numbers, **{name: (camera.height, camera.width, 3) for name, camera in self.cameras.items()}}

    @property
    def action_features(self) -> dict[str, type]:
        return dict.fromkeys(self.arm.description.spec.names, float)

    @property
    def is_connected(self) -> bool:
        return self.arm.is_connected

    @property
    def is_calibrated(self) -> bool:
        return True

    @property
    def is_success(self) -> bool:
        """Whether the task was done when it was last observed."""
        return self._is_success

    def begin_episode(self, seed: int) -> None:
        """Put the world into the initial state of a seed."""
        self.arm.begin_episode(seed)
        self._seed = seed + 1
        if self.is_connected:
            self._targets = self.arm.read().positions

    @check_if_already_connected
    def connect(self, calibrate: bool = True) -> None:
        """Begin to live in the world of the next seed."""
        self.begin_episode(self._seed)
        self.arm.connect()
        self._targets = self.arm.read().positions

    def calibrate(self) -> None:
        """Nothing to do."""

    def configure(self) -> None:
        """Nothing to do."""

    @check_if_not_connected
    def get_observation(self) -> dict[str, Any]:
        reading = self.arm.read()
        self._is_success = bool(reading.is_success)
        for name, camera in self.cameras.items():
            age_s = reading.measured_s - reading.frames_s[f"{IMAGES}{name}"]
            camera.latest_timestamp = time.perf_counter() - age_s
        numbers = reading.features[_STATE].tolist()
        if self.config.use_poses:
            numbers += reading.features[_WORLD].tolist()
        named = dict(zip((*self.action_features, *self.environment_state_names), numbers, strict=True))
        return {**named, **{name: reading.features[f"{IMAGES}{name}"] for name in self.cameras}}

    @check_if_not_connected
    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        """Set the targets of the joints that are named; other names, such as LeRobot sends back, are passed over.

        Raises:
            RobotError: A target is not finite.
        """
        names = self.arm.description.spec.names
        self._targets = self.arm.send(
            np.array([float(action.get(name, old)) for name, old in zip(names, self._targets, strict=True)])
        )
        if self._stepped is not None:
            self._stepped.step()
        return dict(zip(names, self._targets.tolist(), strict=True))

    @check_if_not_connected
    def disconnect(self) -> None:
        self.arm.disconnect()


class _SteppedClock:
    """Time that passes by one period at each action."""

    def __init__(self, period_s: float) -> None:
        self._period_s, self._steps = period_s, 0

    def now(self) -> float:
        return self._steps * self._period_s

    def sleep_until(self, time_s: float) -> None:
        del time_s  # nobody waits

    def step(self) -> None:
        self._steps += 1
