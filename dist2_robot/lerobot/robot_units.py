"""What the actions of a LeRobot robot are, as far as its motors tell: units and limits by their calibration."""

from typing import Any

from lerobot.robots import Robot

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.errors import InputError

TOLERANCES = {"deg": 1.0, "%": 2.0}


def spec_of_motors(robot: Robot, rate_hz: float) -> ActionSpec:
    """Return the spec of a robot whose motors are on LeRobot's buses: degrees, or percent of the range.

    Degrees are limited by the range that was found when it was calibrated, on either side of its middle.

    Raises:
        InputError: It has no such motors, so that the spec must be given; or no calibration.
    """
    bus = getattr(robot, "bus", None)
    motors = getattr(bus, "motors", {})
    unknown = [name for name in robot.action_features if name.removesuffix(".pos") not in motors]
    if unknown or not robot.action_features:
        raise InputError(
            f"{robot.name} does not tell unit and limits of {unknown or 'its actions'}; give an action spec of its own"
        )
    dimensions = tuple(_dimension(robot, bus, name) for name in robot.action_features)
    return ActionSpec(dimensions, "absolute", rate_hz, source="robot")


def calibrate_command(robot: Robot) -> str:
    """Return what to type to calibrate a robot."""
    config: Any = getattr(robot, "config", None)
    given = {name: getattr(config, name, None) for name in ("type", "port", "id")}
    return " ".join(["lerobot-calibrate", *(f"--robot.{name}={value}" for name, value in given.items() if value)])


def _dimension(robot: Robot, bus: Any, name: str) -> ActionDimension:
    motor_name = name.removesuffix(".pos")
    motor, kind = bus.motors[motor_name], "gripper" if "gripper" in name else "joint"
    mode = str(motor.norm_mode.value)
    if mode != "degrees":
        low, high, unit = (-100.0 if mode == "range_m100_100" else 0.0), 100.0, "%"
    else:
        if motor_name not in robot.calibration:
            raise InputError(
                f"{robot.name} '{robot.id}' has no calibration of {motor_name} ({robot.calibration_fpath}), so its "
                f"limits are not known; run: {calibrate_command(robot)}"
            )
        found = robot.calibration[motor_name]
        high = (found.range_max - found.range_min) / 2 * 360 / (bus.model_resolution_table[motor.model] - 1)
        low, unit = -high, "deg"
    return ActionDimension(name, kind, unit, low, high, tolerance=TOLERANCES[unit])
