"""A robot that another process owns, see `robot_host`, as the control loop sees it."""

import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from dist2_robot.deploy.robot import Reading, RobotDescription, RobotError
from dist2_robot.deploy.robots.robot_host import HOLD_S
from dist2_robot.deploy.robots.robot_messages import description_from_message, reading_from_message
from dist2_robot.deploy.wire import FrameReader, FrameWriter, WireError, pack, unpack
from dist2_robot.errors import InputError

ANSWER_S = 0.25  # how long a reading, a target or a stop may take
DISCONNECT_S = 10.0  # how long letting go of the robot may take
OPEN_S = 60.0  # how long the rest may: cameras warm up, a world is built
_HANG_UP_S, _END_S = 1.0, 5.0  # how long its process may take to end by itself, and when it is told to


class HostConnection:
    """Asks a `robot_host.RobotHost`, and never waits longer than told.

    Args:
        connection: To the host.
        process: The host's, whose end is told in errors.
        answer_s: How long to wait for a reading, a target or a stop.
        open_s: How long to wait for anything else.
        disconnect_s: How long to wait for a disconnection.
    """

    def __init__(
        self,
        connection: socket.socket,
        process: subprocess.Popen | None = None,
        *,
        answer_s: float = ANSWER_S,
        open_s: float = OPEN_S,
        disconnect_s: float = DISCONNECT_S,
    ) -> None:
        self.answer_s, self.open_s, self.disconnect_s = answer_s, open_s, disconnect_s
        self._connection, self._process = connection, process
        self._reader, self._writer = FrameReader(connection), FrameWriter(connection)
        self._sequence = 0

    def ask(self, method: str, timeout_s: float, **arguments: Any) -> Any:
        """Return the value of an answer.

        Raises:
            RobotError: There is none in time, the host is gone, or the answer is an error.
            InputError: What it was given is wrong.
        """
        self._sequence += 1
        start_s = time.monotonic()
        request = {"sequence": self._sequence, "sent_s": start_s, "method": method, **arguments}
        try:
            self._writer.write(pack(request))
            self._writer.flush(timeout_s)
            while (payload := self._reader.read(max(start_s + timeout_s - time.monotonic(), 0.0))) is not None:
                answer = unpack(payload)
                if answer.get("sequence") == self._sequence:  # else it answers one that was given up
                    break
        except (WireError, OSError) as error:
            raise RobotError(f"robot's process: {method}: {error}{self._fate()}") from error
        if payload is None:
            raise RobotError(f"robot's process: {method}: no answer in {1000 * timeout_s:.0f} ms")
        if "error" in answer:
            raise (InputError if answer.get("is_input") else RobotError)(str(answer["error"]))
        return answer.get("value")

    def close(self, hold_s: float = 0.0) -> None:
        """Hang up and see the process end, within some seconds; a frozen one is woken, so that it stops its robot.

        Args:
            hold_s: For how long the process will hold its arm before it ends.
        """
        self._connection.close()
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_HANG_UP_S + hold_s)
            return
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _fate(self) -> str:
        if self._process is None:
            return ""
        with suppress(subprocess.TimeoutExpired):
            return f" (it ended with {self._process.wait(0.02)})"
        return ""


class RemoteRobot:
    """A `deploy.robot.Robot` at the other end of a connection. Use `open_remote_robot`."""

    def __init__(self, host: HostConnection, description: RobotDescription, hold_s: float = HOLD_S) -> None:
        self._host, self._description, self._hold_s = host, description, hold_s
        self._is_connected = False

    @property
    def description(self) -> RobotDescription:
        """What the robot is."""
        return self._description

    def connect(self) -> None:
        """Open the robot."""
        self._is_connected = True  # as far as anybody knows, also where no answer comes
        self._host.ask("connect", self._host.open_s)

    def read(self) -> Reading:
        """Return what the robot senses now."""
        answer = self._host.ask("read", self._host.answer_s)
        try:
            return reading_from_message(answer)
        except WireError as error:
            raise RobotError(f"robot's process: read: {error}") from error

    def send(self, targets: np.ndarray) -> np.ndarray:
        """Ask for joint targets (A,); return those that the robot was really given."""
        given = self._host.ask("send", self._host.answer_s, targets=np.asarray(targets, np.float64))
        if not isinstance(given, np.ndarray) or given.shape != np.shape(targets):
            raise RobotError("robot's process: send: no targets in the answer")
        return given

    def stop(self) -> None:
        """Stop the robot."""
        self._host.ask("stop", self._host.answer_s)

    def disconnect(self) -> None:
        """Close the robot; its process stays."""
        self._host.ask("disconnect", self._host.disconnect_s)
        self._is_connected = False

    def close(self) -> None:
        """Hang up and see the process end; a robot that is still connected is stopped, and held, by it first."""
        self._host.close(self._hold_s if self._is_connected and self._description.falls else 0.0)


class RemoteSimulatedRobot(RemoteRobot):
    """A `deploy.robot.SimulatedRobot` at the other end of a connection."""

    def begin_episode(self, seed: int) -> None:
        """Put the world into the initial state of a seed."""
        self._host.ask("begin_episode", self._host.open_s, seed=int(seed))


def open_remote_robot(host: HostConnection, arguments: Mapping[str, Any], **watch: float) -> RemoteRobot:
    """Have a host open the robot that plain values describe; a simulated one can begin episodes.

    Args:
        host: Has opened none yet.
        arguments: Plain values.
        watch: ``silence_s`` and ``hold_s`` of `robot_host.RobotHost`, where they are other than usual.

    Raises:
        InputError: The values are wrong.
        RobotError: The host does not answer.
    """
    opened = host.ask("open", host.open_s, arguments=dict(arguments), **watch)
    try:
        description, can_begin = description_from_message(opened["description"]), opened["can_begin"]
    except (WireError, KeyError, TypeError) as error:
        raise RobotError(f"robot's process: open: {error}") from error
    hold_s = watch.get("hold_s", HOLD_S)
    return (RemoteSimulatedRobot if can_begin else RemoteRobot)(host, description, hold_s)


def start_robot_host(
    command: Sequence[str],
    arguments: Mapping[str, Any],
    *,
    answer_s: float = ANSWER_S,
    open_s: float = OPEN_S,
    disconnect_s: float = DISCONNECT_S,
    **watch: float,
) -> RemoteRobot:
    """Start a process that owns a robot, and return that robot; its `close` ends the process.

    It is a fresh interpreter, not a fork: a fork would take over locks that the threads of torch or of a renderer hold.
    What robot it is goes to it as plain values, and it has a session of its own, so that Ctrl-C in a terminal reaches
    the loop only, which then stops the robot itself.

    Args:
        command: The program, which gets one more argument: the number of the open socket to serve, see
            `robot_host.run_robot_host`.
        arguments: Plain values, for the program to make a robot of.
        answer_s: How long a reading, a target or a stop may take.
        open_s: How long anything else may.
        disconnect_s: How long a disconnection may.
        watch: As in `open_remote_robot`.

    Raises:
        InputError: The values are wrong.
        RobotError: The process does not answer.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [*command, str(theirs.fileno())], pass_fds=(theirs.fileno(),), start_new_session=True
        )
    host = HostConnection(ours, process, answer_s=answer_s, open_s=open_s, disconnect_s=disconnect_s)
    try:
        return open_remote_robot(host, arguments, **watch)
    except BaseException:
        host.close()
        raise
