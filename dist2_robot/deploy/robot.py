"""What the control loop asks of a robot. A action dimensions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.deploy.limits import MotionLimits

Torque = Literal["hold", "release"]


class RobotError(Exception):
    """The robot did not do what it was asked: a cable, a motor, a camera. One line that names the part."""


@dataclass(frozen=True)
class RobotDescription:
    """What a robot is, known before it is connected.

    Attributes:
        name: For people, e.g. ``so101_follower on /dev/ttyACM0``.
        spec: Absolute targets of its joints, in the order in which they are sent; its rate is the robot's usual one.
        limits: How far and how fast targets may move.
        observation_names: Feature of numbers -> names of its numbers, in order, e.g. ``observation.state``.
        pictures: Feature of pictures -> (height, width), e.g. ``observation.images.front``.
        stop: What `Robot.stop` does: ``hold`` the position under torque, or ``release`` it, when an arm falls.
        on_disconnect: What happens to the torque when it is disconnected, or its process ends.
        is_simulated: Whether nobody can be hurt: then episodes may be begun, and the loop armed, without a person.
        notes: What people must know of it before they arm it, one line each.
        observation_units: Feature of numbers -> unit of each number, ``?`` where nobody knows; features that are not in
            it are not told.
    """

    name: str
    spec: ActionSpec
    limits: MotionLimits
    observation_names: Mapping[str, Sequence[str]]
    pictures: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    stop: Torque = "hold"
    on_disconnect: Torque = "release"
    is_simulated: bool = False
    notes: tuple[str, ...] = ()
    observation_units: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def falls(self) -> bool:
        """Whether a real arm that stands stopped falls when it is disconnected: somebody must support it."""
        return not self.is_simulated and self.stop == "hold" and self.on_disconnect == "release"


@dataclass(frozen=True)
class Reading:
    """What a robot senses at one moment.

    Attributes:
        features: LeRobot's feature names -> numbers (size,) as float32, pictures (height, width, 3) as uint8.
        positions: (A,), where each action dimension stands, in its unit.
        measured_s: When the positions were measured, on the monotonic clock.
        frames_s: Feature of pictures -> when its picture was taken, on the monotonic clock.
        is_success: Whether the task is done now, if the robot can tell (a simulated one).
    """

    features: Mapping[str, np.ndarray]
    positions: np.ndarray
    measured_s: float
    frames_s: Mapping[str, float] = field(default_factory=dict)
    is_success: bool | None = None


class Robot(Protocol):
    """Sensors and motors. Its methods are called from one thread and may take a few ms; they raise `RobotError`."""

    @property
    def description(self) -> RobotDescription:
        """What it is; usable while it is disconnected."""
        ...

    def connect(self) -> None:
        """Open it, with its joints held where they stand."""
        ...

    def read(self) -> Reading:
        """Return what it senses now."""
        ...

    def send(self, targets: np.ndarray) -> np.ndarray:
        """Ask for joint targets (A,), finite and inside its limits; return those that it was really given."""
        ...

    def stop(self) -> None:
        """Do what the description says of stopping, at once. May be called in any state, and more than once."""
        ...

    def disconnect(self) -> None:
        """Close it. What the description says of disconnecting happens."""
        ...


@runtime_checkable
class SimulatedRobot(Robot, Protocol):
    """A robot whose world can be put back."""

    def begin_episode(self, seed: int) -> None:
        """Put the world into the initial state of a seed. The joints stand still afterwards."""
        ...
