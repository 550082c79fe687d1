"""Every wait of the control loop has an end, and says what was waited for."""

from dataclasses import replace

import numpy as np
import pytest

from dist2_robot.deploy.loop.machine import State
from dist2_robot.deploy.robot import RobotError
from tests.deploy.rigs import Rig, limits_kept

FAR = np.array([60.0, 0.0, 0.0])


def far(**choices) -> Rig:
    """Return a rig whose policy begins far from where the robot stands."""
    rig = Rig(start="ramp", ramp_speed=0.5, **choices)
    rig.policy.step, rig.policy.goal = 200.0, FAR
    return rig


def silence(rig: Rig, answers: int) -> None:
    """Lose all but the first answers of the policy."""
    left = iter([True] * answers)
    rig.link.change = lambda chunk: [chunk] if next(left, False) else []


@pytest.mark.parametrize("mode", ["live", "dry_run", "shadow"])
@pytest.mark.parametrize("start", ["check", "ramp"])
@pytest.mark.parametrize("answers", [0, 1, 2, 5])
def test_a_policy_that_falls_silent_ends_the_run_in_any_mode(mode: str, start: str, answers: int) -> None:
    rig = far(mode=mode, answer_timeout_s=1.0) if start == "ramp" else Rig(mode=mode, answer_timeout_s=1.0)
    silence(rig, answers)
    rig.loop.run(lambda tick: "still running" if tick.index > 300 else "")
    assert rig.loop.is_over
    assert "for 2 s" in rig.reason or "did not answer within 1 s" in rig.reason
    assert not rig.robot.sent or limits_kept(rig) <= 1 + 1e-6


def test_after_a_ramp_the_first_answer_is_waited_for_as_long_as_any_first_answer() -> None:
    rig = far(answer_timeout_s=2.0)
    silence(rig, 1)
    rig.arm()
    rig.run(4.0)
    assert (rig.state, rig.reason) == (State.STOPPED, "the policy did not answer within 2 s after the ramp")
    assert rig.sent()[-1][0] == 60  # it stays where the ramp ended, under torque: it was moved, and might fall


def test_a_ramp_whose_end_cannot_be_reached_stops() -> None:
    rig = far()
    guard, step = rig.loop.controller.guard, rig.loop.controller.guard.step
    guard.step = lambda wanted, velocity: step(wanted - [10 + len(rig.ticks) % 2, 0, 0], velocity)  # type: ignore
    rig.arm()
    rig.run(5.0)
    assert rig.state is State.STOPPED
    assert "the limits kept 'pan.pos'" in rig.reason


def test_a_ramp_that_creeps_towards_its_end_for_ever_stops() -> None:
    rig = far(answer_timeout_s=1.0)
    guard = rig.loop.controller.guard
    step = guard.step
    guard.step = lambda wanted, velocity: step(wanted + 1e-3 * (len(rig.ticks) % 2), velocity)  # type: ignore
    rig.arm()
    rig.run(5.0)
    assert (rig.state, rig.reason) == (State.STOPPED, "the robot did not come to rest within 1 s after the ramp")


def test_what_a_refusal_after_a_ramp_advises_was_not_done_already() -> None:
    rig = far()
    goals = iter([60.0, -60.0, 60.0, -60.0])

    def elsewhere(chunk):
        chunk.actions[:, 0] = next(goals)
        return [chunk]

    rig.link.change = elsewhere
    rig.arm()
    rig.run(4.0)
    assert rig.state is State.STOPPED
    assert rig.reason.startswith("after the ramp the first action is far from where the robot stands: 'pan.pos' -60")
    assert "start=ramp" not in rig.reason
    assert "begins somewhere else each time" in rig.reason


def test_a_robot_that_does_not_follow_the_ramp_is_named() -> None:
    rig = far()
    send = rig.robot.send
    rig.robot.send = lambda targets: send(np.minimum(targets, [5.0, 100.0, 100.0]))  # type: ignore[method-assign]
    rig.link.change = lambda chunk: [replace(chunk, actions=np.full((16, 3), FAR, np.float32))]
    rig.arm()
    rig.run(4.0)
    assert rig.state is State.STOPPED
    assert "did not follow the ramp: 'pan.pos' was sent to 60, it is at 5" in rig.reason


@pytest.mark.parametrize(("error", "told"), [(RobotError("no cable"), "no cable"), (RobotError(), "RobotError")])
def test_a_first_reading_that_fails_is_the_reason_and_the_next_run_tries_again(error: RobotError, told: str) -> None:
    rig = Rig()
    read = rig.robot.read

    def failing():
        raise error

    rig.robot.read = failing  # type: ignore[method-assign]
    rig.loop.run()
    assert (rig.state, rig.reason) == (State.STOPPED, f"reading the robot failed: {told}")
    assert not rig.robot.sent
    rig.robot.read = read  # type: ignore[method-assign]
    rig.loop.run(lambda tick: "the end" if tick.done.state is State.RUNNING else "")
    assert rig.reason == "the end"


def test_a_policy_that_is_gone_before_a_run_is_the_reason() -> None:
    rig = Rig()
    rig.link.error = "killed"
    rig.loop.run()
    assert rig.state is State.STOPPED
    assert "killed" in rig.reason
    assert not rig.robot.sent


def test_a_rearming_by_a_person_tries_a_robot_that_failed_again() -> None:
    rig = Rig().moving()
    rig.robot.failing.add("read")
    rig.run(0.5)
    assert rig.state is State.STOPPED
    rig.robot.failing.clear()
    rig.loop.command("rearm")
    rig.arm()
    rig.run(0.5)
    assert rig.state is State.RUNNING
