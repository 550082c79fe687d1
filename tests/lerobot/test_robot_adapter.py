"""Any LeRobot robot is a robot for our control loop, in its own units and with its own failures."""

import math
import time

import numpy as np
import pytest

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.deploy.robot import RobotError, SimulatedRobot
from dist2_robot.errors import InputError
from dist2_robot.lerobot.open_robot import open_lerobot_robot
from dist2_robot.lerobot.robot_adapter import AdaptedRobot
from dist2_robot.lerobot.robot_units import spec_of_motors
from tests.lerobot.arms import ArmOfTests
from tests.lerobot.config_arms import ArmOfTestsConfig

STATE, FRONT = "observation.state", "observation.images.front"


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setattr("lerobot.robots.robot.HF_LEROBOT_CALIBRATION", tmp_path)


def make(**options) -> tuple[ArmOfTests, AdaptedRobot]:
    robot = ArmOfTests(ArmOfTestsConfig(port="/dev/arm", id="black", **options))
    return robot, AdaptedRobot(robot, spec_of_motors(robot, 30.0))


def test_units_and_limits_are_those_of_the_motors():
    _, arm = make()
    description = arm.description
    pan, gripper = description.spec.dimensions
    assert (pan.kind, pan.unit, pan.name) == ("joint", "deg", "pan.pos")
    assert pan.high == -pan.low == pytest.approx(1024 * 360 / 4095)
    assert (gripper.kind, gripper.unit, gripper.low, gripper.high) == ("gripper", "%", 0.0, 100.0)
    assert description.limits.velocity.tolist() == [60.0, 60.0]
    assert description.name == "arm_of_tests black on /dev/arm"
    assert (description.stop, description.on_disconnect, description.is_simulated) == ("hold", "release", False)
    assert any("RELEASED" in note for note in description.notes)
    assert not isinstance(arm, SimulatedRobot)


def test_percents_where_the_config_says_so_and_what_it_says_of_torque():
    _, arm = make(use_degrees=False, disable_torque_on_disconnect=False, max_relative_target=5.0)
    pan = arm.description.spec.dimensions[0]
    assert (pan.unit, pan.low, pan.high) == ("%", -100.0, 100.0)
    assert arm.description.on_disconnect == "hold"
    assert arm.description.notes == (
        "LeRobot moves it at most 5.0 from where it stands at each target (max_relative_target)",
    )


def test_a_camera_without_colours_is_left_out_and_said():
    _, arm = make(camera=True)
    assert list(arm.description.pictures) == [FRONT]
    assert "left out: camera 'front_depth' (1 channel, which are no colours)" in arm.description.notes


def test_without_calibration_it_says_how_to_calibrate():
    with pytest.raises(InputError, match=r"lerobot-calibrate --robot\.type=arm_of_tests --robot\.port=/dev/arm"):
        make(ranges={})


def test_an_uncalibrated_arm_is_not_calibrated_silently():
    robot, arm = make()
    robot.is_calibrated_now = False
    with pytest.raises(RobotError, match="not calibrated; run: lerobot-calibrate"):
        arm.connect()
    assert not robot.is_connected
    assert robot.sent == []


def test_it_holds_where_it_stands_when_it_is_connected():
    robot, arm = make()
    arm.connect()
    assert robot.sent == [{"pan.pos": 5.0, "gripper.pos": 50.0}]


def test_a_reading_has_our_names_and_the_age_of_its_pictures():
    _, arm = make(camera=True)
    assert arm.description.pictures == {FRONT: (4, 6)}
    arm.connect()
    before = time.monotonic()
    reading = arm.read()
    assert reading.features[STATE].tolist() == [5.0, 50.0]
    assert reading.features[STATE].dtype == np.float32
    assert reading.features.keys() == {STATE, FRONT}
    assert reading.positions.tolist() == [5.0, 50.0]
    assert before <= reading.measured_s <= time.monotonic()
    assert reading.measured_s - reading.frames_s[FRONT] == pytest.approx(0.2, abs=0.05)
    assert reading.is_success is None


def test_what_was_really_sent_comes_back():
    robot, arm = make()
    arm.connect()
    assert arm.send(np.array([120.0, 10.0])).tolist() == [90.0, 10.0]
    assert robot.sent[-1] == {"pan.pos": 120.0, "gripper.pos": 10.0}


@pytest.mark.fault("D1")
def test_not_a_number_does_not_get_to_the_motors():
    robot, arm = make()
    arm.connect()
    with pytest.raises(RobotError, match="2 finite targets"):
        arm.send(np.array([np.nan, 0.0]))
    assert len(robot.sent) == 1


@pytest.mark.fault("D10")
@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("connect", lambda arm: arm.connect()),
        ("get_observation", lambda arm: arm.read()),
        ("send_action", lambda arm: arm.send(np.zeros(2))),
        ("disconnect", lambda arm: arm.disconnect()),
    ],
)
def test_a_failure_names_robot_and_method_and_is_not_tried_again(method, call):
    robot, arm = make()
    if method != "connect":
        arm.connect()
    robot.failing, robot.calls = {method}, []
    with pytest.raises(RobotError, match=f"^arm_of_tests: {method}: ConnectionError: no {method} on the bus$"):
        call(arm)
    assert robot.calls == [method]


@pytest.mark.fault("D7")
def test_a_stop_does_not_need_the_cameras_and_holds_the_last_targets_without_the_bus():
    robot, arm = make(camera=True)
    arm.stop()  # in any state
    arm.connect()
    arm.send(np.array([7.0, 60.0]))
    robot.failing, robot.calls = {"get_observation"}, []
    arm.stop()
    assert robot.sent[-1] == {"pan.pos": 5.0, "gripper.pos": 50.0}
    arm.send(np.array([7.0, 60.0]))
    robot.failing = {"sync_read"}
    arm.stop()
    assert robot.sent[-1] == {"pan.pos": 7.0, "gripper.pos": 60.0}


SPEC = ActionSpec(
    (ActionDimension("pan.pos", "joint", "rad", -1, 1), ActionDimension("gripper.pos", "gripper", "mm", 0, 80)),
    "absolute",
    25.0,
    "file",
)


def test_a_robot_that_tells_no_units_needs_a_spec():
    options = {"port": "/dev/arm", "tells_units": False}
    with pytest.raises(InputError, match="does not tell unit and limits"):
        open_lerobot_robot("arm_of_tests", options)
    arm = open_lerobot_robot("arm_of_tests", options, spec=SPEC)
    assert arm.description.spec == SPEC
    assert arm.description.limits.velocity.tolist() == pytest.approx([math.pi / 3, 20.0])
    arm.connect()
    assert arm.read().positions.tolist() == [5.0, 50.0]
    fast = open_lerobot_robot("arm_of_tests", options, spec=SPEC, velocity={"pan.pos": 2.0})
    assert fast.description.limits.velocity.tolist() == pytest.approx([2.0, 20.0])


@pytest.mark.fault("D13")
@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("so101_folower", {}, "knows no robot 'so101_folower'.* Did you mean 'so101_follower'"),
        ("so101_follower", {}, "port"),
        ("so101_follower", {"port": "/dev/arm", "speed": 1}, "speed"),
        ("os.system", {}, "knows no robot"),
    ],
)
def test_wrong_robots_are_told_in_one_line(kind, options, message):
    with pytest.raises(InputError, match=message) as error:
        open_lerobot_robot(kind, options)
    assert "\n" not in str(error.value)


@pytest.mark.fault("D13")
def test_joints_in_another_order_are_refused():
    robot, _ = make()
    spec = spec_of_motors(robot, 30.0)
    turned = ActionSpec(spec.dimensions[::-1], "absolute", 30.0, "file")
    with pytest.raises(InputError, match=r"its actions are \['pan.pos', 'gripper.pos'\]"):
        AdaptedRobot(robot, turned)
