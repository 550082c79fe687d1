"""Any LeRobot robot as a robot for our control loop."""

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from lerobot.robots import Robot

from dist2_robot.actions.spec import UNKNOWN_UNIT, ActionDimension, ActionSpec
from dist2_robot.deploy.limits import MotionLimits
from dist2_robot.deploy.robot import Reading, RobotDescription, RobotError
from dist2_robot.errors import InputError
from dist2_robot.lerobot.robot_units import calibrate_command, check_units, degrees_of, refuse_velocities

STATE, WORLD, IMAGES = "observation.state", "observation.environment_state", "observation.images."
# The cap of a robot that is used for the first time: unit -> units a second; other units, a quarter of the range. Where
# the calibration says how far a joint turns, one that is told in percent moves no faster than one in degrees.
FIRST_SPEED = {"deg": 60.0, "%": 60.0, "rad": math.pi / 3}
SIMULATED_SPEED = {"joint": 180.0, "gripper": 300.0}  # degrees or percent a second
_log = logging.getLogger(__name__)


class AdaptedRobot:
    """A `deploy.robot.Robot` over a LeRobot robot.

    Its numbers are ``observation.state``, in the robot's order, but for those that it calls
    ``environment_state_names``; its cameras are ``observation.images.<name>``, those of depth left out. A stop sends
    the present positions, under torque.

    Args:
        robot: Disconnected.
        spec: What its actions are, in the order of its ``action_features``.
        velocity: Dimension -> largest speed in its unit a second; others have that of the first use.

    Raises:
        InputError: The spec does not fit the robot or the units that its motors are set to, an action is a velocity, or
            it does not sense where an action dimension stands.
    """

    def __init__(self, robot: Robot, spec: ActionSpec, velocity: Mapping[str, float] | None = None) -> None:
        self._robot, self._spec = robot, spec
        self._targets: np.ndarray | None = None
        if list(robot.action_features) != list(spec.names):
            raise InputError(f"{robot.name}: its actions are {list(robot.action_features)}, told {list(spec.names)}")
        refuse_velocities(robot, spec.names, spec.units)
        check_units(robot, spec)
        features = robot.observation_features
        if blind := [name for name in spec.names if features.get(name) is not float]:
            raise InputError(f"{robot.name}: it does not sense where '{blind[0]}' stands, which our control loop needs")
        world = tuple(getattr(robot, "environment_state_names", ()))
        self._state = tuple(name for name, kind in features.items() if kind is float and name not in world)
        self._world: tuple[str, ...] = world
        self._cameras = {name: shape for name, shape in features.items() if isinstance(shape, tuple) and shape[2] == 3}
        self._description = self._describe(velocity or {})

    @property
    def description(self) -> RobotDescription:
        """What it is."""
        return self._description

    def connect(self) -> None:
        """Open it without calibrating, and hold it where it stands.

        LeRobot lets the torque of some arms go for some milliseconds while it sets up their motors.

        Raises:
            RobotError: It cannot be opened, or has not been calibrated.
        """
        for note in self._description.notes:
            _log.warning("%s: %s", self._description.name, note)
        self._do("connect", lambda: self._robot.connect(calibrate=False))
        try:
            if not self._do("is_calibrated", lambda: self._robot.is_calibrated):
                raise RobotError(f"{self._description.name} is not calibrated; run: {calibrate_command(self._robot)}")
            self.stop()
        except RobotError:
            self.disconnect()
            raise

    def read(self) -> Reading:
        """Return what it senses now; a picture is as old as its camera says, or as new as the reading."""
        measured_s, counter_s = time.monotonic(), time.perf_counter()
        seen = self._do("get_observation", self._robot.get_observation)
        features = {STATE: _numbers(seen, self._state)}
        if self._world:
            features[WORLD] = _numbers(seen, self._world)
        frames_s = {}
        for name in self._cameras:
            features[f"{IMAGES}{name}"] = np.asarray(seen[name], np.uint8)
            taken = getattr(getattr(self._robot, "cameras", {}).get(name), "latest_timestamp", None)
            frames_s[f"{IMAGES}{name}"] = measured_s if taken is None else measured_s - (counter_s - taken)
        positions = np.array([float(seen[name]) for name in self._spec.names])
        return Reading(features, positions, measured_s, frames_s, getattr(self._robot, "is_success", None))

    def send(self, targets: np.ndarray) -> np.ndarray:
        """Ask for joint targets (A,); return those that LeRobot says it gave the motors."""
        if np.shape(targets) != (len(self._spec),) or not np.isfinite(targets).all():
            raise RobotError(f"{self._description.name}: needs {len(self._spec)} finite targets, got {targets}")
        action = dict(zip(self._spec.names, np.asarray(targets, np.float64).tolist(), strict=True))
        sent = self._do("send_action", lambda: self._robot.send_action(action))
        self._targets = np.array([float(sent.get(name, action[name])) for name in self._spec.names])
        return self._targets.copy()

    def stop(self) -> None:
        """Hold the present positions; the last targets if those cannot be read."""
        if not self._robot.is_connected:
            return
        try:
            positions = self._positions()
        except RobotError:
            if self._targets is None:
                raise
            positions = self._targets
        self.send(positions)

    def disconnect(self) -> None:
        """Close it."""
        self._targets = None
        if self._robot.is_connected:
            self._do("disconnect", self._robot.disconnect)

    def _positions(self) -> np.ndarray:
        bus = getattr(self._robot, "bus", None)
        if bus is None:
            seen = self._do("get_observation", self._robot.get_observation)
        else:  # without the cameras, which may be what hangs
            present = self._do("sync_read", lambda: bus.sync_read("Present_Position"))
            seen = {f"{motor}.pos": value for motor, value in present.items()}
        return np.array([float(seen[name]) for name in self._spec.names])

    def _do(self, method: str, function: Any) -> Any:
        try:
            return function()
        except Exception as error:  # each robot has its own
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise RobotError(f"{self._robot.name}: {method}: {said}") from error

    def _describe(self, velocity: Mapping[str, float]) -> RobotDescription:
        robot, config = self._robot, getattr(self._robot, "config", None)
        is_simulated = hasattr(robot, "begin_episode")
        names = {STATE: self._state}
        if self._world:
            names[WORLD] = tuple(name.removesuffix(".pos") for name in self._world)
        releases = not is_simulated and getattr(config, "disable_torque_on_disconnect", True)
        notes = [
            f"left out: camera '{name}' ({shape[2]} channel{'s' if shape[2] > 1 else ''}, which are no colours)"
            for name, shape in robot.observation_features.items()
            if isinstance(shape, tuple) and name not in self._cameras
        ]
        if releases:
            notes.append("its torque is RELEASED when it is disconnected: the arm falls, support it")
        if (step := getattr(config, "max_relative_target", None)) is not None:
            notes.append(f"LeRobot moves it at most {step} from where it stands at each target (max_relative_target)")
        port = getattr(config, "port", None)
        return RobotDescription(
            name=f"{robot.name}{f' {robot.id}' if robot.id else ''}{f' on {port}' if port else ''}",
            spec=self._spec,
            limits=self._limits(velocity, is_simulated),
            observation_names=names,
            observation_units=self._units(),
            pictures={f"{IMAGES}{name}": shape[:2] for name, shape in self._cameras.items()},
            stop="hold",
            on_disconnect="release" if releases else "hold",
            is_simulated=is_simulated,
            notes=tuple(notes),
        )

    def _units(self) -> dict[str, tuple[str, ...]]:
        """Return the units of what it observes: where its motors stand is told in the units of its actions."""
        by_name = dict(zip(self._spec.names, self._spec.units, strict=True))
        units = {STATE: tuple(by_name.get(name, UNKNOWN_UNIT) for name in self._state)}
        if self._world:
            units[WORLD] = tuple(getattr(self._robot, "environment_state_units", [UNKNOWN_UNIT] * len(self._world)))
        return units

    def _limits(self, velocity: Mapping[str, float], is_simulated: bool) -> MotionLimits:
        first = {
            d.name: SIMULATED_SPEED.get(d.kind, 180.0) if is_simulated else self._first_speed(d)
            for d in self._spec.dimensions
        }
        return MotionLimits.of_spec(self._spec, 1.0, 1.0, {**first, **velocity})

    def _first_speed(self, dimension: ActionDimension) -> float:
        """Return the largest speed of a dimension, in its unit a second, unless another one is given."""
        usual = FIRST_SPEED.get(dimension.unit, (dimension.high - dimension.low) / 4)
        degrees = degrees_of(self._robot, dimension)
        if dimension.kind == "gripper" or not degrees:
            return usual
        return min(usual, FIRST_SPEED["deg"] / degrees)


class AdaptedSimulation(AdaptedRobot):
    """A `deploy.robot.SimulatedRobot` over a LeRobot robot that can begin episodes."""

    def begin_episode(self, seed: int) -> None:
        """Put the world into the initial state of a seed."""
        robot: Any = self._robot
        self._do("begin_episode", lambda: robot.begin_episode(seed))


def _numbers(seen: Mapping[str, Any], names: tuple[str, ...]) -> np.ndarray:
    return np.array([float(seen[name]) for name in names], np.float32)
