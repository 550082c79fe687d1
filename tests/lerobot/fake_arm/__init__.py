"""An arm for lerobot-rollout in tests: it goes where it is told at once, and sees its hand and a target."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from lerobot.robots import Robot, RobotConfig

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
ACTIONS = [f"{joint}.pos" for joint in JOINTS]
THINGS = [f"{thing}_{axis}.pos" for thing in ("hand", "target") for axis in "xyz"]


@RobotConfig.register_subclass("fake_arm")
@dataclass
class FakeArmConfig(RobotConfig):
    pass


class FakeArm(Robot):
    config_class = FakeArmConfig
    name = "fake_arm"
    observation_features = dict.fromkeys([*ACTIONS, *THINGS], float)
    action_features = dict.fromkeys(ACTIONS, float)
    is_connected = False
    is_calibrated = True
    cameras = {}

    def __init__(self, config):
        super().__init__(config)
        self.positions = dict.fromkeys(ACTIONS, 10.0)
        self.sent = []

    def connect(self, calibrate=True):
        self.is_connected = True

    def calibrate(self):
        pass

    def configure(self):
        pass

    def get_observation(self):
        return {**self.positions, **dict.fromkeys(THINGS, 0.1)}

    def send_action(self, action):
        self.positions = dict(action)
        self.sent.append(list(action.values()))
        return action

    def disconnect(self):
        Path(os.environ["FAKE_ARM_LOG"]).write_text(json.dumps(self.sent))
        self.is_connected = False
