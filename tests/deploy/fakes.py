"""A clock that jumps and a robot that can be told to fail, for the tests of deployment."""

from collections.abc import Sequence

import numpy as np

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.deploy.clock import Clock
from dist2_robot.deploy.limits import MotionLimits
from dist2_robot.deploy.robot import Reading, RobotDescription, RobotError, Torque

STATE, FRONT = "observation.state", "observation.images.front"


class FakeClock:
    """Time that only moves when told to, or when somebody sleeps; `late` is added to each sleep."""

    def __init__(self, start_s: float = 100.0) -> None:
        self.time_s, self.late_s = start_s, 0.0
        self.slept_until: list[float] = []

    def now(self) -> float:
        return self.time_s

    def sleep_until(self, time_s: float) -> None:
        self.slept_until.append(time_s)
        self.time_s = max(self.time_s, time_s) + self.late_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time_s += seconds


class FakeRobot:
    """Joints that follow their targets with a lag of the first order, -100 to 100 deg; the last is a gripper in %.

    Attributes:
        failing: Names of methods that raise `RobotError`.
        is_frozen: Its pictures are no longer renewed.
        is_stale: Its positions are no longer renewed.
        sent: Time and targets of each `send`.
        stopped: Times of each `stop`.
        calls: Names of all methods that were called, in order.
        positions: Where it stands now, (A,); may be set.
        is_success: What it tells of its task.
    """

    def __init__(
        self,
        clock: Clock,
        joints: Sequence[str] = ("pan.pos", "lift.pos", "gripper.pos"),
        *,
        lag_s: float = 0.05,
        velocity: float = 180.0,
        rate_hz: float = 30.0,
        picture_size: tuple[int, int] | None = None,
        stop: Torque = "hold",
        on_disconnect: Torque = "release",
        is_simulated: bool = False,
    ) -> None:
        *arm, gripper = joints
        dimensions = (
            *(ActionDimension(name, "joint", "deg", -100.0, 100.0, tolerance=1.0) for name in arm),
            ActionDimension(gripper, "gripper", "%", 0.0, 100.0, tolerance=2.0),
        )
        low, high = np.array([d.low for d in dimensions]), np.array([d.high for d in dimensions])
        self._description = RobotDescription(
            "fake robot",
            ActionSpec(dimensions, "absolute", rate_hz, source="robot"),
            MotionLimits.of_velocity(low, high, np.full(len(joints), velocity)),
            {STATE: tuple(joints)},
            {} if picture_size is None else {FRONT: picture_size},
            stop,
            on_disconnect,
            is_simulated,
            observation_units={STATE: tuple(d.unit for d in dimensions)},
        )
        self._clock, self._lag_s = clock, lag_s
        self.positions = np.zeros(len(joints))
        self._targets, self._moved_s, self._frame_s = self.positions.copy(), clock.now(), clock.now()
        self.failing: set[str] = set()
        self.is_frozen = self.is_stale = self.is_connected = False
        self.is_success: bool | None = None
        self.sent: list[tuple[float, np.ndarray]] = []
        self.stopped: list[float] = []
        self.calls: list[str] = []
        self.seeds: list[int] = []
        self._last: Reading | None = None

    @property
    def description(self) -> RobotDescription:
        return self._description

    def connect(self) -> None:
        self._call("connect")
        self.is_connected = True
        self._targets, self._moved_s = self.positions.copy(), self._clock.now()

    def read(self) -> Reading:
        self._call("read")
        if self.is_stale and self._last is not None:
            return self._last
        self._move()
        now = self._clock.now()
        if not self.is_frozen:
            self._frame_s = now
        pictures = {
            name: np.full((*size, 3), int(1000 * self._frame_s) % 256, np.uint8)
            for name, size in self._description.pictures.items()
        }
        features = {STATE: self.positions.astype(np.float32), **pictures}
        frames_s = dict.fromkeys(pictures, self._frame_s)
        self._last = Reading(features, self.positions.copy(), now, frames_s, self.is_success)
        return self._last

    def send(self, targets: np.ndarray) -> np.ndarray:
        self._call("send")
        self._move()
        self._targets = np.array(targets, np.float64)
        self.sent.append((self._clock.now(), self._targets.copy()))
        return self._targets.copy()

    def stop(self) -> None:
        self._call("stop")
        self._move()
        self._targets = self.positions.copy()
        self.stopped.append(self._clock.now())

    def disconnect(self) -> None:
        self._call("disconnect")
        self.is_connected = False

    def begin_episode(self, seed: int) -> None:
        """Stand at 0, whatever the seed."""
        self._call("begin_episode")
        self.seeds.append(seed)
        self.positions = np.zeros(len(self.positions))
        self._targets, self._moved_s = self.positions.copy(), self._clock.now()

    def _call(self, method: str) -> None:
        self.calls.append(method)
        if method in self.failing:
            raise RobotError(f"fake robot: {method} failed")

    def _move(self) -> None:
        now = self._clock.now()
        share = 1 - np.exp(-(now - self._moved_s) / self._lag_s)
        self.positions = self.positions + share * (self._targets - self.positions)
        self._moved_s = now
