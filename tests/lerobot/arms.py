"""A LeRobot robot without a device: a follower with motors on a fake bus."""

import time
from types import SimpleNamespace

import numpy as np
from lerobot.motors import Motor, MotorCalibration, MotorNormMode
from lerobot.motors.motors_bus import SerialMotorsBus
from lerobot.robots import Robot

from tests.lerobot.config_arms import ArmOfTestsConfig


@SerialMotorsBus.register
class BusOfTests(SimpleNamespace):
    """Only what our code asks of a bus."""


class ArmOfTests(Robot):
    """Two motors that are where they are sent; says so in the units of LeRobot's follower arms."""

    config_class = ArmOfTestsConfig
    name = "arm_of_tests"

    def __init__(self, config: ArmOfTestsConfig) -> None:
        super().__init__(config)
        self.config = config
        body = MotorNormMode.DEGREES if config.use_degrees else MotorNormMode.RANGE_M100_100
        motors = {"pan": Motor(1, "sts3215", body), "gripper": Motor(2, "sts3215", MotorNormMode.RANGE_0_100)}
        self.calibration = {
            name: MotorCalibration(i, 0, 0, 2048 - span // 2, 2048 + span // 2)
            for i, (name, span) in enumerate(config.ranges.items())
        }
        self.present = {"pan": 5.0, "gripper": 50.0}
        if config.tells_units:
            self.bus = BusOfTests(motors=motors, model_resolution_table={"sts3215": 4096}, sync_read=self._sync_read)
        self.cameras = {"front": SimpleNamespace(latest_timestamp=None)} if config.camera else {}
        self.failing, self.calls, self.sent = set(), [], []
        self._is_connected, self.is_calibrated_now = False, True

    @property
    def observation_features(self):
        pictures = {"front": (4, 6, 3), "front_depth": (4, 6, 1)} if self.config.camera else {}
        return {"pan.pos": float, "gripper.pos": float, **pictures}

    @property
    def action_features(self):
        return {"pan.pos": float, "gripper.pos": float}

    @property
    def is_connected(self):
        return self._is_connected

    @property
    def is_calibrated(self):
        return self.is_calibrated_now

    def connect(self, calibrate=True):
        self._call("connect")
        assert not calibrate, "it would ask for input"
        self._is_connected = True

    def calibrate(self):
        raise AssertionError("nobody asked for it")

    def configure(self):
        pass

    def get_observation(self):
        self._call("get_observation")
        seen = {f"{name}.pos": value for name, value in self.present.items()}
        if self.config.camera:
            self.cameras["front"].latest_timestamp = time.perf_counter() - 0.2
            seen |= {"front": np.zeros((4, 6, 3), np.uint8), "front_depth": np.zeros((4, 6, 1), np.uint16)}
        return seen

    def send_action(self, action):
        self._call("send_action")
        self.sent.append(action)
        return {name: min(value, 90.0) for name, value in action.items()}

    def disconnect(self):
        self._call("disconnect")
        self._is_connected = False

    def _sync_read(self, register):
        self._call("sync_read")
        assert register == "Present_Position"
        return dict(self.present)

    def _call(self, method):
        self.calls.append(method)
        if method in self.failing:
            raise ConnectionError(f"no {method}\non the bus")
