"""A run whose robot or policy is lost meanwhile, on a robot in a process of its own."""

import os
import signal
import sys
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
from dist2_robot.deploy.robots.remote_robot import RemoteRobot, start_robot_host
from dist2_robot.deploy.serving.in_process_link import InProcessLink
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
