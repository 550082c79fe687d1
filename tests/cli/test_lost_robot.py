"""A run whose robot or policy is lost meanwhile, on a robot in a process of its own."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist2_robot.cli.deploy_run import POLICY_LOST, ROBOT_LOST, DeployRun
from dist2_robot.deploy.clock import MonotonicClock
from dist2_robot.deploy.link import ChunkRequest, LinkError
from dist2_robot.deploy.loop.log_format import header
from dist2_robot.deploy.loop.log_writer import LogWriter
from dist2_robot.deploy.loop.run_log import LOG_FILE, read_log
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.deploy.loop.statistics import RunStatistics
from dist2_robot.deploy.robot import RobotError
from dist2_robot.deploy.robots.remote_robot import RemoteRobot, start_robot_host
from dist2_robot.deploy.serving.in_process_link import InProcessLink
from tests.deploy.fakes import FakeClock, FakeRobot
from tests.deploy.rigs import Mover, Rig, card_of

HOST = [sys.executable, "-m", "tests.deploy.file_robot"]
CONFIG: dict[str, Any] = {"arm": "yes", "view": False, "duration_s": 60, "episodes": None, "seed": 0, "robot": {}}
CALM = dict.fromkeys(("max_state_age_s", "frozen_s", "limited_timeout_s", "answer_timeout_s"), 60.0)  # a busy machine
LONG_S = 10.0


class FatalLink(InProcessLink):
    """Does something at the third question to the policy."""

    def __init__(self, robot: RemoteRobot, what: Any) -> None:
        policy = Mover(card_of(robot.description.spec), np.array([40.0, 40.0, 60.0]))
        super().__init__(policy, MonotonicClock(), lambda _: 0.0)
        self._what = what

    def request(self, request: ChunkRequest) -> None:
        if request.sequence >= 3:
            self._what()
        else:
            super().request(request)


def lost(folder: Path, what: Any) -> dict[str, Any]:
    """Return the results of a run in which something happens after a while."""
    options = {"is_simulated": True, "on_disconnect": "hold"}
    robot = start_robot_host(
        HOST, {"path": str(folder / "calls"), "options": options}, answer_s=2.0, disconnect_s=0.5, silence_s=LONG_S
    )
    try:
        settings = ControlSettings(**CALM)
        link = FatalLink(robot, lambda: what(robot._host._process.pid))
        log = LogWriter(folder / LOG_FILE, header(robot.description, link.card, settings, {}))
        results = DeployRun(robot, link, settings, log, CONFIG).run()
        log.close()
    finally:
        robot.close()
    assert sum("tick" in line for line in read_log(folder)) >= results["time"]["ticks"] > 0
    return results


@pytest.mark.fault("A10")
@pytest.mark.parametrize(
    ("number", "message"), [(signal.SIGKILL, "it ended with -9"), (signal.SIGSTOP, "no answer in 2000 ms")]
)
def test_a_robot_whose_process_dies_or_freezes_ends_the_run_with_results(tmp_path, number, message):
    results = lost(tmp_path, lambda process_id: os.kill(process_id, number))
    assert results["exit_code"] == ROBOT_LOST
    assert message in results["robot_fault"]
    assert message in results["reason"]
    assert results["time"]["commands_sent"] > 0


@pytest.mark.fault("A10")
def test_a_policy_that_dies_ends_the_run_with_results_and_a_stopped_robot(tmp_path):
    def die(_: int) -> None:
        raise LinkError("it was killed")

    results = lost(tmp_path, die)
    assert results["exit_code"] == POLICY_LOST
    assert "it was killed" in results["policy_fault"]
    assert not results["robot_fault"]


@pytest.mark.fault("A10")
def test_a_policy_that_falls_silent_ends_the_run_with_results_and_a_stopped_robot(tmp_path):
    results = lost(tmp_path, lambda _: None)
    assert results["exit_code"] == POLICY_LOST
    assert "has not answered for" in results["policy_fault"]
    assert "no way to go on" in results["reason"]


def test_a_policy_is_silent_since_the_first_question_that_it_did_not_answer():
    rig = Rig(hold_timeout_s=1.0).moving(0.5)
    rig.link.change = lambda _: []
    rig.run(2.0)  # it holds, and asks again
    statistics = RunStatistics(rig.settings.period_s)
    for tick in rig.ticks:
        statistics(tick)
    assert "no way to go on" in rig.reason
    assert statistics.silent_s > 1.5


@pytest.mark.parametrize("how", ["pipe", "terminal"])
def test_an_arm_that_falls_is_held_also_where_nobody_reads_what_is_printed(tmp_path, how):
    """As after ``dist2-deploy ... | head -1``, or where the ssh session is lost while it moves."""
    listening, speaking = os.pipe() if how == "pipe" else pty.openpty()
    streams = {"stdout": speaking, "stderr": subprocess.DEVNULL, "start_new_session": True}
    streams["stdin"] = subprocess.DEVNULL if how == "pipe" else speaking
    process = subprocess.Popen([sys.executable, "-m", "tests.deploy.held_arm", str(tmp_path)], **streams)
    os.close(speaking)
    calls, reason = tmp_path / "calls", tmp_path / "reason"
    try:
        wait_until(lambda: calls.exists() and calls.read_text().count("send") > 5)
        os.close(listening)  # nobody reads any more
        sent = calls.read_text().count("send")
        wait_until(lambda: calls.read_text().count("send") > sent + 60 or "disconnect" in calls.read_text())
        assert "disconnect" not in calls.read_text()
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: process.poll() is not None)
        assert "disconnect" in calls.read_text()
        assert reason.read_text() in ("duration_s is over", "SIGHUP")
    finally:
        process.kill()
        process.wait()


def wait_until(is_so: Callable[[], bool], at_most_s: float = 60.0) -> None:
    end_s = time.monotonic() + at_most_s
    while not is_so():
        assert time.monotonic() < end_s, "it did not come about"
        time.sleep(0.02)


def test_an_arm_that_falls_is_left_to_its_process_where_a_run_breaks(monkeypatch, tmp_path):
    for falls in (True, False):
        rig = Rig(robot=FakeRobot(FakeClock(), on_disconnect="release" if falls else "hold"))
        run = DeployRun(rig.robot, rig.link, rig.settings, LogWriter(tmp_path / LOG_FILE, {}), CONFIG)  # type: ignore[arg-type]
        monkeypatch.setattr(run, "_move", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run.run()
        assert ("disconnect" in rig.robot.calls) is not falls


@pytest.mark.parametrize("how", ["refused", "fault"])
def test_an_arm_that_falls_is_not_let_go_without_a_word(monkeypatch, tmp_path, how):
    """Where the first action is far, or one reading fails, a real arm is under torque, and nobody supports it."""
    rig = Rig(robot=FakeRobot(FakeClock()))
    monkeypatch.setattr("dist2_robot.cli.deploy_run.MonotonicClock", lambda: rig.clock)
    monkeypatch.setattr(sys, "stdin", None)
    run = DeployRun(rig.robot, rig.link, rig.settings, LogWriter(tmp_path / LOG_FILE, {}), CONFIG)  # type: ignore[arg-type]
    if how == "refused":
        rig.policy.goal = rig.policy.goal * 0 + 80
        rig.policy.step = 1000.0
    else:
        read, readings = rig.robot.read, iter(range(10**6))
        rig.robot.read = lambda: fail() if next(readings) == 40 else read()
    sleep, slept = rig.clock.sleep_until, iter(range(10**6))
    rig.clock.sleep_until = lambda time_s: (sleep(time_s), next(slept) == 500 and run.stop("SIGTERM"))
    results = run.run()
    if how == "refused":  # held until somebody says so
        assert "far from where the robot stands" in results["reason"]
        assert next(slept) > 500
        assert rig.robot.calls[-1] == "disconnect"
    else:  # its process is left with it, and holds it for a while
        assert results["exit_code"] == ROBOT_LOST
        assert "disconnect" not in rig.robot.calls


def fail() -> None:
    raise RobotError("camera 'wrist' timed out")
