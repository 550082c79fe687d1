"""How far and how fast the targets of a robot may move. A action dimensions."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.errors import InputError

# Of the velocity limit, per second and per second squared: from full speed to rest in 0.15 s.
ACCELERATION, JERK = 10.0, 200.0


@dataclass(frozen=True)
class MotionLimits:
    """Limits of the targets that are sent, each (A,), in the unit of the dimension and seconds.

    Attributes:
        low: Smallest position.
        high: Largest position.
        velocity: Largest speed.
        acceleration: Largest change of speed.
        jerk: Largest change of acceleration.
    """

    low: np.ndarray
    high: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray

    def __post_init__(self) -> None:
        for name in ("low", "high", "velocity", "acceleration", "jerk"):
            value = np.asarray(getattr(self, name), np.float64)
            object.__setattr__(self, name, value)
            if value.ndim != 1 or value.shape != self.low.shape or not np.isfinite(value).all():
                raise InputError(f"motion limits: {name} must be {self.low.shape} finite numbers, got {value.tolist()}")
            if name not in ("low", "high") and (value <= 0).any():
                raise InputError(f"motion limits: {name} must be positive, got {value.tolist()}")
        if (self.low >= self.high).any():
            raise InputError(f"motion limits: needs low < high, got {self.low.tolist()} and {self.high.tolist()}")

    @classmethod
    def of_velocity(cls, low: np.ndarray, high: np.ndarray, velocity: np.ndarray) -> "MotionLimits":
        """Return limits whose acceleration and jerk follow from the velocity: rest within 0.15 s."""
        velocity = np.asarray(velocity, np.float64)
        return cls(low, high, velocity, ACCELERATION * velocity, JERK * velocity)

    @classmethod
    def of_spec(cls, spec: ActionSpec, joint: float, gripper: float, velocity: Mapping[str, float]) -> "MotionLimits":
        """Return the limits of a spec's dimensions.

        Args:
            spec: Its lowest and highest values bound the positions.
            joint: Speed of a joint, in its unit a second.
            gripper: Speed of a gripper, in its unit a second.
            velocity: Dimension -> speed, where it is another one.

        Raises:
            InputError: A dimension is named that there is not, or a speed is not positive.
        """
        if unknown := set(velocity) - set(spec.names):
            raise InputError(f"a speed is given for '{min(unknown)}', but there are only {', '.join(spec.names)}")
        speeds = [velocity.get(d.name, gripper if d.kind == "gripper" else joint) for d in spec.dimensions]
        low, high = (np.array([getattr(d, side) for d in spec.dimensions]) for side in ("low", "high"))
        return cls.of_velocity(low, high, np.array(speeds))
