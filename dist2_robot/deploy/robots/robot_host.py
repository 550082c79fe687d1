"""The process that owns a robot, so that the robot is stopped when the control loop dies or hangs.

It does one request after the other, of one loop, the first of which says what robot to open. A loop that is silent
for too long after it sent a target, or whose end of the connection closes, has the robot stopped. After silence,
targets are refused until the loop has said ``stop`` or ``connect``: it does so when it has noticed, and a person arms
it anew.

What it cannot do: while a method of the robot itself hangs nothing is watched, and when this very process is killed
the motors do what they do without a computer (an SO-101's hold the last target).
"""

import logging
import math
import signal
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dist2_robot.deploy.robot import Robot, RobotError, SimulatedRobot
from dist2_robot.deploy.robots.robot_messages import description_to_message, reading_to_message
from dist2_robot.deploy.wire import FrameReader, FrameWriter, WireError, pack, unpack
from dist2_robot.errors import InputError

SILENCE_S = 0.1  # longer than this without a request: the loop hangs
HOLD_S = 30.0  # how long an arm that falls without a computer is held for somebody to take it
_LOOK_S = 0.02  # how often signals and the silence are looked at
_log = logging.getLogger(__name__)


class RobotHost:
    """Serves one robot to one control loop.

    Args:
        make: Returns the robot that plain values describe, or raises InputError. The robot is called from the thread
            that calls `serve` only.
        connection: To the loop.
        silence_s: How long the loop may say nothing after it sent a target, if ``open`` does not tell.
        hold_s: How long to hold an arm whose loop has died, if it falls when it is disconnected; the same.
    """

    def __init__(
        self,
        make: Callable[[Mapping[str, Any]], Robot],
        connection: socket.socket,
        *,
        silence_s: float = SILENCE_S,
        hold_s: float = HOLD_S,
    ) -> None:
        self._make, self._connection = make, connection
        self._silence_s, self._hold_s = silence_s, hold_s
        self._opened: Robot | None = None
        self._reader, self._writer = FrameReader(connection), FrameWriter(connection)
        self._is_connected = self._is_moving = self._is_latched = self._is_told_to_end = False
        self._heard_s = time.monotonic()
        self._methods: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "open": self._open,
            "connect": self._connect,
            "read": lambda _: reading_to_message(self._robot.read()),
            "send": self._send,
            "stop": self._stop_asked,
            "disconnect": lambda _: self._disconnect(),
            "begin_episode": self._begin_episode,
        }

    def serve(self) -> None:
        """Serve until the loop hangs up or `end` is called; then stop the robot, and disconnect it."""
        try:
            while not self._is_told_to_end:
                self._serve_one()
        except WireError as error:
            if self._is_connected:
                _log.error("the control loop is gone (%s); stopping %s", error, self._robot.description.name)
                self._stop()
                self._connection.close()
                self._hold()
        finally:
            if self._is_connected:
                self._stop()
                self._disconnect()

    def end(self) -> None:
        """Make `serve` return soon."""
        self._is_told_to_end = True

    @property
    def _robot(self) -> Robot:
        if self._opened is None:
            raise RobotError("no robot has been opened yet")
        return self._opened

    def _serve_one(self) -> None:
        payload = self._reader.read(timeout_s=_LOOK_S)
        if payload is None:
            self._watch()
            self._writer.flush()
            return
        request = unpack(payload)
        sequence, method, sent_s = request.get("sequence"), request.get("method"), request.get("sent_s")
        if type(sequence) is not int or method not in self._methods or type(sent_s) is not float:
            raise WireError(f"a request without sequence, sent_s or a method that there is: {str(method)[:40]!r}")
        self._watch()  # before this request ends a silence that was too long
        self._heard_s = time.monotonic()
        answer: dict[str, Any] = {"sequence": sequence}
        try:
            if method == "send" and self._heard_s - sent_s > self._silence_s:
                raise RobotError(f"send: the target is {1000 * (self._heard_s - sent_s):.0f} ms old: not obeyed")
            answer["value"] = self._methods[method](request)
        except (RobotError, InputError) as error:
            answer["error"], answer["is_input"] = " ".join(str(error).split()), isinstance(error, InputError)
        except Exception as error:
            _log.exception("%s failed", method)
            answer["error"] = " ".join(f"{method}: {type(error).__name__}: {error}".split())
        self._writer.write(pack(answer))
        self._heard_s = time.monotonic()  # what the robot took is not the loop's silence

    def _watch(self) -> None:
        silent_s = time.monotonic() - self._heard_s
        if self._is_moving and silent_s > self._silence_s:
            self._is_moving, self._is_latched = False, True
            _log.error("nothing heard of the control loop for %.0f ms: stopping the robot", 1000 * silent_s)
            self._stop()

    def _open(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._opened is not None or not isinstance(arguments := request.get("arguments"), dict):
            raise RobotError("open: needs arguments, and can be done once")
        self._silence_s = _seconds(request, "silence_s", self._silence_s)
        self._hold_s = _seconds(request, "hold_s", self._hold_s)
        self._opened = self._make(arguments)
        description = description_to_message(self._opened.description)
        return {"description": description, "can_begin": isinstance(self._opened, SimulatedRobot)}

    def _connect(self, _: Mapping[str, Any]) -> None:
        self._robot.connect()
        self._is_connected, self._is_moving, self._is_latched = True, False, False

    def _send(self, request: Mapping[str, Any]) -> np.ndarray:
        targets, expected = request.get("targets"), (len(self._robot.description.spec),)
        if not isinstance(targets, np.ndarray) or targets.shape != expected or not np.isfinite(targets).all():
            raise RobotError(f"send: needs {expected} finite targets, got {targets!r}")
        if self._is_latched:
            raise RobotError("send: the robot was stopped because the control loop was silent; it must be armed anew")
        self._is_moving = True
        return np.asarray(self._robot.send(targets), np.float64)

    def _stop_asked(self, _: Mapping[str, Any]) -> None:
        self._is_moving, self._is_latched = False, False
        self._robot.stop()

    def _begin_episode(self, request: Mapping[str, Any]) -> None:
        if not isinstance(self._robot, SimulatedRobot) or type(request.get("seed")) is not int:
            raise RobotError("begin_episode: needs a simulated robot and a seed")
        self._is_moving = False
        self._robot.begin_episode(request["seed"])

    def _stop(self) -> None:
        try:
            self._robot.stop()
        except Exception:
            _log.exception("%s did not stop", self._robot.description.name)

    def _disconnect(self) -> None:
        self._is_connected = self._is_moving = False
        self._robot.disconnect()

    def _hold(self) -> None:
        description = self._robot.description
        if not description.falls:
            return
        _log.error("%s is held for %.0f s, then it falls: support it", description.name, self._hold_s)
        end_s = time.monotonic() + self._hold_s
        while time.monotonic() < end_s and not self._is_told_to_end:
            time.sleep(_LOOK_S)


def _seconds(request: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = request.get(name, otherwise)
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InputError(f"{name} must be a number of seconds, got {value!r}")
    return float(value)


def run_robot_host(make: Callable[[Mapping[str, Any]], Robot], descriptor: int) -> None:
    """Be the process that `remote_robot.start_robot_host` starts: serve the open socket of that number to its end."""
    logging.basicConfig(format="robot host: %(message)s")
    with socket.socket(fileno=descriptor) as connection:
        host = RobotHost(make, connection)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: host.end())
        host.serve()
