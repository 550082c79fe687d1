"""What the actions of a LeRobot robot are, as far as its motors tell: units and limits by their calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lerobot.motors.motors_bus import SerialMotorsBus
from lerobot.robots import Robot

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.errors import InputError

# How a bus tells positions: unit, and limits where those are not in the calibration. See LeRobot's `MotorNormMode`.
MODES = {"degrees": ("deg", None), "range_m100_100": ("%", (-100.0, 100.0)), "range_0_100": ("%", (0.0, 100.0))}
TOLERANCES = {"deg": 1.0, "%": 2.0}
_ARMS = ("left_arm", "right_arm")  # of a robot with two, which puts their side before the names
_VELOCITIES = (".vel", ".torque", "velocity", ".vx", ".vy", ".vtheta")


@dataclass(frozen=True)
class _Joint:
    """A motor that an action names. Attributes: robot: What it belongs to. name: On the robot's bus."""

    robot: Robot
    name: str

    @property
    def bus(self) -> Any:
        return getattr(self.robot, "bus", None)

    @property
    def mode(self) -> str:
        """How its bus tells positions, one of `MODES` if it is a mode that we know."""
        mode = getattr(self.bus.motors[self.name], "norm_mode", None)
        return str(getattr(mode, "value", mode))

    @property
    def range_deg(self) -> float | None:
        """How far it turned when it was calibrated; None where its bus does not calibrate in ticks, or it was not."""
        found = getattr(self.robot, "calibration", {}).get(self.name)
        if found is None or not isinstance(self.bus, SerialMotorsBus):
            return None
        resolution = self.bus.model_resolution_table[self.bus.motors[self.name].model]
        return (found.range_max - found.range_min) * 360 / (resolution - 1)


def spec_of_motors(robot: Robot, rate_hz: float) -> ActionSpec:
    """Return the spec of a robot whose motors are on LeRobot's buses: degrees, or percent of the range.

    Degrees are limited by the range that was found when it was calibrated, on either side of its middle.

    Raises:
        InputError: It has no such motors, so that the spec must be given; or no calibration; or it drives.
    """
    names = list(robot.action_features)
    refuse_velocities(robot, names)
    joints = {name: _joint(robot, name) for name in names}
    unknown = [name for name, joint in joints.items() if joint is None]
    if unknown or not names:
        raise InputError(
            f"{robot.name} does not tell unit and limits of {unknown or 'its actions'}; give an action spec of its "
            "own, robot.spec={...}"
        )
    dimensions = tuple(_dimension(name, joint) for name, joint in joints.items() if joint is not None)
    return ActionSpec(dimensions, "absolute", rate_hz, source="robot")


def refuse_velocities(robot: Robot, names: Sequence[str], units: Sequence[str] = ()) -> None:
    """Raise InputError where an action is no position: what it was told last would go on, also after a stop."""
    moving = [name for name in names if name.endswith(_VELOCITIES)]
    moving += [name for name, unit in zip(names, units, strict=False) if unit.endswith("/s")]
    if moving:
        raise InputError(
            f"{robot.name}: its action '{moving[0]}' is no position, and our control loop sends only positions, which "
            "a stop can hold; use LeRobot's own commands for this robot"
        )


def check_units(robot: Robot, spec: ActionSpec) -> None:
    """Raise InputError where a spec that was given says another unit than the robot's motors are set to."""
    for dimension in spec.dimensions:
        joint = _joint(robot, dimension.name)
        unit, _ = MODES.get(joint.mode, (None, None)) if joint else (None, None)
        if unit not in (None, dimension.unit):
            raise InputError(
                f"{robot.name}: the given spec has '{dimension.name}' in '{dimension.unit}', and its motors are set to "
                f"'{unit}': mend robot.spec, or set robot.options.use_degrees as the spec has it"
            )


def degrees_of(robot: Robot, dimension: ActionDimension) -> float | None:
    """Return how many degrees one unit of a dimension is; None where that is not known."""
    joint = _joint(robot, dimension.name)
    unit, limits = MODES.get(joint.mode, (None, None)) if joint else (None, None)
    if unit == "deg" or joint is None or limits is None or joint.range_deg is None:
        return 1.0 if dimension.unit == "deg" else None
    return joint.range_deg / (limits[1] - limits[0])


def calibrate_command(robot: Robot) -> str:
    """Return what to type to calibrate a robot."""
    config: Any = getattr(robot, "config", None)
    given = {name: getattr(config, name, None) for name in ("type", "port", "id")}
    return " ".join(["lerobot-calibrate", *(f"--robot.{name}={value}" for name, value in given.items() if value)])


def _joint(robot: Robot, action: str) -> _Joint | None:
    """Return the motor behind an action, of the robot or of one of its two arms; None where there is none."""
    name = action.removesuffix(".pos")
    if name in getattr(getattr(robot, "bus", None), "motors", {}):
        return _Joint(robot, name)
    for arm in _ARMS:
        side = arm.removesuffix("arm")
        one: Any = getattr(robot, arm, None)
        if name.startswith(side) and name.removeprefix(side) in getattr(getattr(one, "bus", None), "motors", {}):
            return _Joint(one, name.removeprefix(side))
    return None


def _dimension(name: str, joint: _Joint) -> ActionDimension:
    robot, kind = joint.robot, "gripper" if "gripper" in name else "joint"
    if joint.mode not in MODES:
        raise InputError(
            f"{robot.name}: its bus tells '{name}' as '{joint.mode}', of which only {', '.join(MODES)} are known here; "
            "give an action spec of its own, robot.spec={...}"
        )
    unit, limits = MODES[joint.mode]
    if limits is None:  # of motors on CAN, in degrees
        limits = (getattr(getattr(robot, "config", None), "joint_limits", None) or {}).get(joint.name)
    if limits is None and not isinstance(joint.bus, SerialMotorsBus):
        raise InputError(
            f"{robot.name} does not tell the limits of '{name}'; give an action spec of its own, robot.spec={{...}}"
        )
    if limits is None:
        if joint.range_deg is None:
            raise InputError(
                f"{robot.name} '{robot.id}' has no calibration of {joint.name} ({robot.calibration_fpath}), so its "
                f"limits are not known; run: {calibrate_command(robot)}"
            )
        limits = -joint.range_deg / 2, joint.range_deg / 2
    return ActionDimension(name, kind, unit, limits[0], limits[1], tolerance=TOLERANCES[unit])
