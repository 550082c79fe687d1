"""One run of dist2-deploy, from arming to letting go, on a fake robot with a fake clock."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dist2_robot.cli import deploy, deploy_run
from dist2_robot.cli.deploy_run import DeployRun
from dist2_robot.cli.one_line import one_line
from dist2_robot.deploy.loop.keys import Keys
from dist2_robot.deploy.loop.log_writer import LogWriter
from dist2_robot.deploy.robot import RobotError
from dist2_robot.deploy.robots.remote_robot import RemoteSimulatedRobot
from dist2_robot.errors import InputError
from dist2_robot.evaluation.deployment_page import _rows
from tests.deploy.fakes import FakeClock, FakeRobot
from tests.deploy.rigs import Rig


class FakeSimulation(FakeRobot, RemoteSimulatedRobot):
    """A fake robot whose world can be put back."""


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Rig, DeployRun]]:
    def begin(*, simulated: bool = False, duration_s: float | None = 1.0, **choices: Any) -> tuple[Rig, DeployRun]:
        rig = Rig(**choices)
        if simulated:
            rig = Rig(robot=FakeSimulation(rig.clock, is_simulated=True), **choices)
        monkeypatch.setattr(deploy_run, "MonotonicClock", lambda: rig.clock)
        config = {"arm": "yes", "view": False, "duration_s": duration_s, "episodes": None, "seed": 0, "robot": {}}
        log = LogWriter(tmp_path / "log.jsonl", {})
        run = DeployRun(rig.robot, rig.link, rig.settings, log, config)  # type: ignore[arg-type]
        rig.loop = run.loop
        return rig, run

    monkeypatch.setattr(sys, "stdin", None)
    return begin


def after(rig: Rig, ticks: int, act: Callable[[], None]) -> None:
    """Do something when the loop sleeps for the n-th time."""
    clock = rig.clock
    assert isinstance(clock, FakeClock)
    sleep = clock.sleep_until

    def sleep_until(time_s: float) -> None:
        sleep(time_s)
        if len(clock.slept_until) == ticks:
            act()
        assert len(clock.slept_until) < 3000, "it never ends"

    clock.sleep_until = sleep_until  # type: ignore[method-assign]


@pytest.mark.parametrize("simulated", [False, True])
def test_a_first_reading_that_fails_is_told_as_the_reason(begin, simulated: bool) -> None:
    rig, run = begin(simulated=simulated, mode="dry_run")

    def failing() -> None:
        raise RobotError

    rig.robot.read = failing
    results = run.run()
    assert results["exit_code"] == deploy_run.ROBOT_LOST
    assert results["reason"] == "reading the robot failed: RobotError"
    assert results["time"]["ticks"] in (0, 1)


@pytest.mark.parametrize("mode", ["dry_run", "shadow"])
def test_without_a_terminal_a_run_that_sends_nothing_ends(begin, mode: str) -> None:
    rig, run = begin(mode=mode)
    after(rig, -1, lambda: None)
    results = run.run()
    assert (results["reason"], results["exit_code"]) == ("duration_s is over", 0)
    assert rig.robot.calls[-1] == "disconnect"


def test_without_a_terminal_an_arm_that_was_moved_is_held_until_a_signal(begin, capsys) -> None:
    rig, run = begin()
    after(rig, 200, lambda: run.stop("SIGTERM"))
    results = run.run()
    assert results["reason"] == "duration_s is over"
    assert "kill -TERM" in capsys.readouterr().out
    assert len(rig.clock.slept_until) == 200
    assert rig.robot.calls[-1] == "disconnect"


@pytest.mark.parametrize("simulated", [False, True])
@pytest.mark.parametrize("when", ["before", "connecting"])
def test_a_signal_before_the_first_tick_ends_the_run_with_its_code(begin, simulated: bool, when: str) -> None:
    rig, run = begin(simulated=simulated)
    if when == "before":
        run.stop("SIGTERM")
    else:
        connect = rig.robot.connect
        rig.robot.connect = lambda: (connect(), run.stop("SIGTERM"))
    after(rig, 10, lambda: run.stop("SIGTERM"))  # lets go of an arm that is held
    results = run.run()
    assert (results["reason"], results["exit_code"]) == ("SIGTERM", 143)
    assert not rig.robot.sent
    assert not rig.robot.seeds


def test_a_stop_while_an_episode_brakes_ends_the_episodes(begin) -> None:
    rig, run = begin(simulated=True, duration_s=None)
    run._config["episodes"] = 3
    rig.robot.is_success = True
    after(rig, 3, lambda: run.stop("stopped by a key"))
    results = run.run()
    assert results["reason"] == "stopped by a key"
    assert len(results["episodes"]) <= 1


@pytest.mark.parametrize("stdin", [None, io.StringIO(), "closed"])
def test_where_nobody_can_arm_the_mend_is_told(begin, monkeypatch: pytest.MonkeyPatch, stdin: Any) -> None:
    rig, run = begin()
    if stdin == "closed":
        stdin = io.StringIO()
        stdin.close()
    monkeypatch.setattr(sys, "stdin", stdin)
    run._config["arm"] = "ask"
    with pytest.raises(InputError, match="say arm=yes"):
        run.run()
    assert "connect" not in rig.robot.calls[1:]
    with Keys({}) as keys:
        assert not keys.is_listening


def test_a_signal_ends_the_question_whether_to_arm(begin, monkeypatch: pytest.MonkeyPatch) -> None:
    _, run = begin()
    run._config["arm"] = "ask"
    monkeypatch.setattr("builtins.input", lambda _: run.stop("SIGINT"))
    with pytest.raises(KeyboardInterrupt):
        run.run()


def test_the_results_of_a_run_of_one_tick_are_told(begin, tmp_path: Path, capsys) -> None:
    _, run = begin(mode="dry_run")
    run.stop("SIGTERM")
    results = run.run()
    assert (results["time"]["ticks"], results["time"]["rate_hz"]) == (1, None)
    deploy._tell(results | {"log_lines_dropped": 0, "log_error": ""}, tmp_path)
    assert "rate unknown" in capsys.readouterr().out
    head = {"settings": {"rate_hz": 30.0}}
    rows = _rows(SimpleNamespace(results=results, head=head))  # type: ignore[arg-type]
    assert any(row["value"].startswith("unknown") for row in rows)


def test_an_error_that_says_nothing_is_told_by_its_kind() -> None:
    assert one_line(OSError(), "deploy", []) == "OSError"
    assert one_line(OSError("no disk"), "deploy", []) == "no disk"
