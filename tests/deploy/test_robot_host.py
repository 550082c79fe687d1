"""The process that owns the robot stops it when the control loop dies, hangs or hangs up."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from dist2_robot.deploy.clock import MonotonicClock
from dist2_robot.deploy.robot import RobotError, SimulatedRobot
from dist2_robot.deploy.robots.remote_robot import (
    HostConnection,
    RemoteRobot,
    RemoteSimulatedRobot,
    open_remote_robot,
    start_robot_host,
)
from dist2_robot.deploy.robots.robot_host import RobotHost
from dist2_robot.deploy.wire import FrameReader, FrameWriter, HungUpError, pack, unpack
from dist2_robot.errors import InputError
from tests.deploy.fakes import FRONT, STATE, FakeRobot
from tests.deploy.file_robot import calls

COMMAND = [sys.executable, "-m", "tests.deploy.file_robot"]
SLOW_S = 2.0  # for a loaded machine; what must be quicker is looked at in the robot's own times


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@contextmanager
def hosted(robot: FakeRobot, silence_s: float = SLOW_S, hold_s: float = 0.0, **limits) -> Iterator[RemoteRobot]:
    """Serve a robot from a thread."""
    ours, theirs = socket.socketpair()
    host = RobotHost(lambda _: robot, theirs, silence_s=silence_s, hold_s=hold_s)
    thread = threading.Thread(target=host.serve)
    thread.start()
    remote = open_remote_robot(HostConnection(ours, **{"answer_s": SLOW_S, **limits}), {})
    try:
        yield remote
    finally:
        remote.close()
        thread.join(10)
        theirs.close()
        assert not thread.is_alive()


@pytest.fixture
def robot():
    return FakeRobot(MonotonicClock(), picture_size=(4, 6))


def test_a_remote_robot_is_the_robot(robot):
    with hosted(robot) as remote:
        ours, theirs = robot.description, remote.description
        assert (theirs.spec, theirs.observation_names, theirs.pictures) == (
            ours.spec,
            ours.observation_names,
            {FRONT: (4, 6)},
        )
        assert theirs.observation_units == ours.observation_units == {STATE: ("deg", "deg", "%")}
        for name, value in asdict(ours.limits).items():
            assert np.array_equal(value, asdict(theirs.limits)[name])
        remote.connect()
        reading = remote.read()
        assert reading.features[STATE].dtype == np.float32
        assert reading.features[FRONT].shape == (4, 6, 3)
        assert reading.positions.dtype == np.float64
        assert abs(reading.measured_s - time.monotonic()) < SLOW_S
        assert remote.send(np.array([1.0, 2.0, 3.0])).tolist() == [1.0, 2.0, 3.0]
        remote.stop()
        remote.disconnect()
    assert robot.calls == ["connect", "read", "send", "stop", "disconnect"]


def test_only_a_simulated_robot_can_begin_an_episode(robot):
    class Real:
        def __init__(self, robot):
            self._robot = robot

        def __getattr__(self, name):
            if name == "begin_episode":
                raise AttributeError(name)
            return getattr(self._robot, name)

    with hosted(robot) as remote:
        assert isinstance(remote, SimulatedRobot | RemoteSimulatedRobot)
        remote.begin_episode(7)
    assert robot.seeds == [7]
    with hosted(Real(robot)) as remote:
        assert not isinstance(remote, SimulatedRobot)


@pytest.mark.fault("D10")
@pytest.mark.parametrize("method", ["connect", "read", "send", "stop"])
def test_a_failure_of_the_robot_comes_through_once(robot, method):
    with hosted(robot) as remote:
        arguments = [np.zeros(3)] if method == "send" else []
        robot.failing = {method}
        with pytest.raises(RobotError, match=f"fake robot: {method} failed"):
            getattr(remote, method)(*arguments)
        assert robot.calls == [method]  # nobody tried again
        robot.failing = set()
        getattr(remote, method)(*arguments)


def test_an_error_of_the_drivers_code_is_told_too(robot, caplog):
    robot.read = lambda: 1 / 0
    with hosted(robot) as remote, pytest.raises(RobotError, match="read: ZeroDivisionError"):
        remote.read()


@pytest.mark.fault("D1")
@pytest.mark.parametrize("targets", [np.full(3, np.nan), np.array([0.0, np.inf, 0.0]), np.zeros(2)])
def test_the_host_itself_refuses_what_is_not_finite_or_too_short(robot, targets):
    with hosted(robot) as remote, pytest.raises(RobotError, match="finite targets"):
        remote.send(targets)
    assert robot.sent == []


@pytest.mark.fault("D9")
def test_silence_stops_the_robot_until_the_loop_has_noticed(robot):
    with hosted(robot, silence_s=0.05) as remote:
        remote.connect()
        time.sleep(0.15)
        assert robot.stopped == []  # it does not move yet
        remote.send(np.full(3, 10.0))
        wait_for(lambda: robot.stopped)
        with pytest.raises(RobotError, match="must be armed anew"):
            remote.send(np.full(3, 20.0))
        assert len(robot.sent) == len(robot.stopped) == 1
        remote.stop()
        remote.send(np.full(3, 20.0))
        assert len(robot.sent) == 2
        remote.stop()
        count = len(robot.stopped)
        time.sleep(0.15)
        assert len(robot.stopped) == count  # once


def test_the_loop_says_how_long_it_may_be_silent(robot):
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=RobotHost(lambda _: robot, theirs).serve)
    thread.start()
    host = HostConnection(ours, answer_s=SLOW_S)
    with pytest.raises(InputError, match="silence_s must be a number of seconds"):
        open_remote_robot(host, {}, silence_s=float("nan"))
    remote = open_remote_robot(host, {}, silence_s=60.0, hold_s=0.0)
    remote.connect()
    remote.send(np.zeros(3))
    time.sleep(0.2)
    assert robot.stopped == []
    remote.close()
    thread.join(5)
    assert robot.calls[-1] == "disconnect"
    theirs.close()


def test_a_slow_sensor_is_not_the_loops_silence(robot):
    read = robot.read
    robot.read = lambda: (time.sleep(0.2), read())[1]
    with hosted(robot, silence_s=0.1) as remote:
        remote.connect()
        remote.send(np.zeros(3))
        remote.read()
        remote.send(np.zeros(3))
        assert robot.stopped == []


@pytest.mark.fault("D6")
def test_an_old_target_is_not_obeyed(robot):
    ours, theirs = socket.socketpair()
    host = RobotHost(lambda _: robot, theirs, silence_s=0.1)
    thread = threading.Thread(target=host.serve)
    thread.start()
    reader, writer = FrameReader(ours), FrameWriter(ours)

    def ask(**request):
        writer.write(pack({"sequence": 1, "sent_s": time.monotonic(), **request}))
        return unpack(reader.read(SLOW_S))

    ask(method="open", arguments={})
    answer = ask(method="send", targets=np.zeros(3), sent_s=time.monotonic() - 0.5)
    assert "ms old: not obeyed" in answer["error"]
    assert robot.sent == []
    assert "error" not in ask(method="send", targets=np.zeros(3))
    ours.close()
    thread.join(5)
    theirs.close()


@pytest.mark.fault("S5")
def test_a_loop_that_breaks_the_protocol_is_hung_up_on_and_the_robot_stopped(robot):
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=RobotHost(lambda _: robot, theirs, hold_s=0.0).serve)
    thread.start()
    open_remote_robot(HostConnection(ours, answer_s=SLOW_S), {}).connect()
    FrameWriter(ours).write(pack({"sequence": 1, "sent_s": 0.0, "method": "__init__"}))
    thread.join(5)
    assert robot.calls[-2:] == ["stop", "disconnect"]
    with pytest.raises(HungUpError):
        FrameReader(ours).read(SLOW_S)
    ours.close()
    theirs.close()


def test_who_hangs_up_leaves_a_stopped_robot(robot):
    with hosted(robot) as remote:
        remote.connect()
    assert robot.calls == ["connect", "stop", "stop", "disconnect"]


def test_an_arm_that_would_fall_is_held_for_a_while(robot):
    begin = time.monotonic()
    with hosted(robot, hold_s=0.3) as remote:
        remote.connect()
    assert time.monotonic() - begin > 0.3


@pytest.mark.fault("D5")
def test_no_answer_is_an_error_in_time_and_a_late_one_is_thrown_away(robot):
    with hosted(robot, answer_s=0.1) as remote:
        remote.connect()
        read = robot.read
        robot.read = lambda: (time.sleep(0.3), read())[1]
        begin = time.monotonic()
        with pytest.raises(RobotError, match="read: no answer in 100 ms"):
            remote.read()
        assert time.monotonic() - begin < 0.3
        robot.read = read
        time.sleep(0.3)
        robot.positions = np.array([1.0, 2.0, 3.0])
        assert remote.send(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]  # not the reading that was late


# With real processes.


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "calls"


@contextmanager
def loop(path: Path) -> Iterator[subprocess.Popen]:
    """Run a control loop until it has sent something."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.deploy.silent_loop", path], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "sent\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def stopped_after_s(path: Path) -> float:
    """Return how long after the last target the robot was stopped."""
    wait_for(lambda: any(method == "stop" for _, method in calls(path)))
    times = dict(reversed([(method, time_s) for time_s, method in calls(path)]))  # the first of each method
    last_s = max(time_s for time_s, method in calls(path) if method == "send")
    return times["stop"] - last_s


@pytest.mark.fault("D9")
def test_a_killed_loop_leaves_a_stopped_robot(path):
    with loop(path) as process:
        process.kill()
        assert stopped_after_s(path) < 0.2
    wait_for(lambda: calls(path)[-1][1] == "disconnect")


@pytest.mark.fault("D9")
def test_a_suspended_loop_leaves_a_stopped_robot_and_does_not_go_on(path):
    with loop(path) as process:
        process.send_signal(signal.SIGSTOP)
        assert stopped_after_s(path) < 0.3
        count = sum(method == "send" for _, method in calls(path))
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=10)
        assert "armed anew" in said.splitlines()[-1] or "not obeyed" in said.splitlines()[-1]
        assert sum(method == "send" for _, method in calls(path)) == count


@pytest.mark.fault("D11")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_host_stops_and_disconnects(path, number):
    remote = start_robot_host(COMMAND, {"path": str(path)})
    remote.connect()
    process = remote._host._process
    process.send_signal(number)
    assert process.wait(10) == 0
    assert [method for _, method in calls(path)] == ["connect", "stop", "disconnect"]
    with pytest.raises(RobotError, match="it ended with 0"):
        remote.read()
    remote.close()


@pytest.mark.fault("D8")
def test_a_killed_host_is_told_at_once(path):
    remote = start_robot_host(COMMAND, {"path": str(path)})
    os.kill(remote._host._process.pid, signal.SIGKILL)
    begin = time.monotonic()
    with pytest.raises(RobotError, match="it ended with -9"):
        remote.read()
    assert time.monotonic() - begin < 0.2
    remote.close()


@pytest.mark.fault("A10")
def test_a_frozen_host_is_given_up_in_time_and_woken_to_stop_its_robot(path):
    remote = start_robot_host(
        COMMAND, {"path": str(path), "options": {"on_disconnect": "hold"}}, answer_s=0.2, disconnect_s=0.2
    )
    remote.connect()
    process = remote._host._process
    process.send_signal(signal.SIGSTOP)
    for method in (remote.stop, remote.disconnect):
        with pytest.raises(RobotError, match="no answer in 200 ms"):
            method()
    remote.close()
    assert process.returncode == 0
    assert [method for _, method in calls(path)][-2:] == ["stop", "disconnect"]


@pytest.mark.fault("A10")
def test_an_arm_that_falls_is_held_by_the_process_of_a_lost_robot_before_it_ends(path):
    remote = start_robot_host(COMMAND, {"path": str(path)}, hold_s=1.5)
    remote.connect()
    remote.close()
    times = {method: time_s for time_s, method in reversed(calls(path))}
    assert times["disconnect"] - times["stop"] >= 1.5


def test_what_the_user_got_wrong_is_told_as_such():
    with pytest.raises(InputError, match="needs a path; give path="):
        start_robot_host(COMMAND, {})
    with pytest.raises(RobotError, match="it ended with 1"):
        start_robot_host([sys.executable, "-c", "raise SystemExit(1)"], {})
