"""What the control loop and the process that owns the robot say to each other, as messages of `wire`.

A request is {sequence, sent_s, method} and what the method takes; the answer is {sequence} and ``value``, or ``error``.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.deploy.limits import MotionLimits
from dist2_robot.deploy.robot import Reading, RobotDescription
from dist2_robot.deploy.wire import WireError
from dist2_robot.errors import InputError


def description_to_message(description: RobotDescription) -> dict[str, Any]:
    """Return plain values and arrays; `description_from_message` undoes it."""
    return {
        **{field.name: getattr(description, field.name) for field in fields(description)},
        "spec": description.spec.to_dict(),
        "limits": asdict(description.limits),
        "observation_names": {name: list(names) for name, names in description.observation_names.items()},
        "observation_units": {name: list(units) for name, units in description.observation_units.items()},
        "pictures": {name: list(size) for name, size in description.pictures.items()},
    }


def description_from_message(message: Mapping[str, Any]) -> RobotDescription:
    """Undo `description_to_message`. Raises WireError for what it did not write."""
    try:
        return RobotDescription(
            **{
                **message,
                "spec": ActionSpec.from_dict(message["spec"]),
                "limits": MotionLimits(**message["limits"]),
                "observation_names": {name: tuple(names) for name, names in message["observation_names"].items()},
                "observation_units": {name: tuple(units) for name, units in message["observation_units"].items()},
                "notes": tuple(message["notes"]),
                "pictures": {name: (int(height), int(width)) for name, (height, width) in message["pictures"].items()},
            }
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, InputError) as error:
        raise WireError(f"not a robot's description: {' '.join(str(error).split())}") from error


def reading_to_message(reading: Reading) -> dict[str, Any]:
    """Return plain values and arrays; `reading_from_message` undoes it."""
    return {
        "features": dict(reading.features),
        "positions": reading.positions,
        "measured_s": float(reading.measured_s),
        "frames_s": {name: float(time_s) for name, time_s in reading.frames_s.items()},
        "is_success": reading.is_success,
    }


def reading_from_message(message: Mapping[str, Any]) -> Reading:
    """Undo `reading_to_message`. Raises WireError for what it did not write."""
    try:
        reading = Reading(**message)
    except TypeError as error:
        raise WireError(f"not a reading: {error}") from error
    arrays = [reading.positions, *reading.features.values()]
    if not all(isinstance(array, np.ndarray) for array in arrays):
        raise WireError("not a reading: it holds other things than arrays")
    return reading
