"""How far and how fast the targets of a robot may move. A action dimensions."""

from dataclasses import dataclass

import numpy as np

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
