"""The loop that moves a robot: reads, lets the controller decide, sends, asks, logs; on time.

Deadlines are absolute, so the rate does not drift. A tick that would be more than a period late is left out and
counted, never made up for in a burst.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from dist2_robot.deploy.clock import Clock
from dist2_robot.deploy.link import LinkError, PolicyLink, TimedChunk
from dist2_robot.deploy.loop.controller import Controller
from dist2_robot.deploy.loop.log_format import tick_line
from dist2_robot.deploy.loop.log_writer import LogWriter
from dist2_robot.deploy.loop.machine import State
from dist2_robot.deploy.loop.operator_queue import OperatorQueue
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.deploy.loop.tick import Command, TickInput, TickOutput
from dist2_robot.deploy.robot import Reading, Robot, RobotError
from dist2_robot.errors import first_line

MAX_ANSWERS = 16  # looked at in one tick
PICTURE_STRIDE = 7  # every so many rows and columns count for a checksum


@dataclass
class Counts:
    """What happened so far.

    Attributes:
        ticks: Done.
        late: Of these, begun more than half a period after their deadline.
        skipped: Left out.
        sent: Commands to the robot.
        limited: Ticks whose target lagged behind what was wanted.
        chunks: Answers of the policy.
        dropped_chunks: Of these, not played.
        requests: Questions to it.
    """

    ticks: int = 0
    late: int = 0
    skipped: int = 0
    sent: int = 0
    limited: int = 0
    chunks: int = 0
    dropped_chunks: int = 0
    requests: int = 0


@dataclass(frozen=True)
class Tick:
    """One tick, for whoever watches.

    Attributes:
        index: Counts the ticks of a run, from 0.
        begun_s: When it began.
        seen: What came in.
        done: What came out.
        sent: What the robot was really given, (A,); None for nothing.
        timing: What parts of it took, and how late it began, in s.
        counts: Of the run so far.
    """

    index: int
    begun_s: float
    seen: TickInput
    done: TickOutput
    sent: np.ndarray | None
    timing: dict[str, float]
    counts: Counts = field(repr=False)


class ControlLoop:
    """Runs a controller on a robot.

    No stop is ever lost. `stop` may be called at any time, from any thread or signal handler: before a run, between
    two, in any part of a tick. From the next tick on that takes it in, the robot brakes and stays STOPPED, or, where it
    was not armed, is not armed. Only a re-arming that was asked for later takes a stop back:

    - ``command("rearm")`` takes back all that were asked for before it.
    - `run` takes back what ended the run before it, and nothing else. A stop that was asked for since, or while the
      robot was braking already, ends the new run before anything is sent, and is its reason.

    Args:
        robot: Connected.
        link: To the policy.
        clock: Monotonic.
        settings: The user's choices.
        log: Where ticks are written; None for nowhere.
        watch: Called with each tick; must return at once.
    """

    def __init__(
        self,
        robot: Robot,
        link: PolicyLink,
        clock: Clock,
        settings: ControlSettings,
        log: LogWriter | None = None,
        watch: Callable[[Tick], None] | None = None,
    ) -> None:
        self.robot, self.link, self.clock, self.settings = robot, link, clock, settings
        self.controller = Controller(robot.description, link.card, settings)
        self.counts = Counts()
        self._log, self._watch = log, watch
        self._operator = OperatorQueue()
        self._ending = self._robot_fault = self._link_fault = ""
        self._deadline_s: float | None = None

    def command(self, command: Command) -> None:
        """Pass on what a person asks for; from any thread."""
        self._operator.command(command)

    def stop(self, reason: str) -> None:
        """Stop at the next tick, until a later re-arming; from any thread or signal handler."""
        self._operator.stop(reason)

    @property
    def state(self) -> State:
        return self.controller.machine.state

    @property
    def is_over(self) -> bool:
        """Whether it is stopped and stands, or is disarmed."""
        return self.state is State.DISARMED or (self.state is State.STOPPED and self.controller.is_at_rest)

    def run(self, until: Callable[[Tick], str] = lambda _: "", before: Callable[[], None] = lambda: None) -> Tick:
        """Arm, move the robot until it is over, and return the last tick.

        The caller is the person who arms: called again after a stop, it re-arms.

        Args:
            until: Looks at each tick and returns why to end the run, or an empty string.
            before: Called while disarmed, e.g. to put a simulated world back; not where a stop waits.
        """
        if self.state is State.STOPPED:
            self._operator.command_first("rearm")
            self.tick()
        if self.state is State.DISARMED and not self._operator.is_stop_next:
            before()
            self._operator.command_first("arm")
        while True:
            tick = self.tick()
            if self.is_over:
                self._ending = ""
                return tick
            self._ending = until(tick)

    def tick(self) -> Tick:
        """Wait for the next deadline and do one tick."""
        is_armed = self.state is not State.DISARMED
        skipped = self._wait()
        begun_s = self.clock.now()
        seen = self._see(begun_s, skipped)
        done = self.controller.tick(seen)
        decided_s = self.clock.now()
        sent = self._send(done)
        self._ask(done)
        ended_s = self.clock.now()
        assert self._deadline_s is not None
        timing = {
            "late_s": begun_s - self._deadline_s,
            "read_s": seen.now_s - begun_s,
            "decide_s": decided_s - seen.now_s,
            "send_s": ended_s - decided_s,
        }
        tick = Tick(self.counts.ticks, begun_s, seen, done, sent, timing, self.counts)
        self._count(tick, is_armed)
        if self._log is not None:
            self._log.put(tick_line(tick.index, tick.seen, tick.done, tick.timing))
        if self._watch is not None:
            self._watch(tick)
        return tick

    def _wait(self) -> int:
        """Sleep until the next deadline; return how many were left out."""
        period_s, now_s = self.settings.period_s, self.clock.now()
        if self._deadline_s is None:
            self._deadline_s = now_s
            return 0
        self._deadline_s += period_s
        skipped = max(0, math.floor((now_s - self._deadline_s) / period_s))
        self._deadline_s += skipped * period_s
        self.clock.sleep_until(self._deadline_s)
        return skipped

    def _see(self, begun_s: float, skipped: int) -> TickInput:
        is_stopped, can_rearm = self.state is State.STOPPED, self.controller.can_rearm
        if can_rearm and self._operator.wants_rearm:
            self._robot_fault = self._link_fault = ""  # a person has looked at them
        reading = self._read()
        chunks = self._poll()
        commands, stop = self._operator.take(is_stopped=is_stopped, can_rearm=can_rearm)
        sums = {}
        if reading is not None:
            pictures = {name: x for name, x in reading.features.items() if x.dtype == np.uint8}
            sums = {name: _sum(picture) for name, picture in pictures.items()}
        now_s = self.clock.now() if reading is not None else begun_s
        stop, self._ending = stop or self._ending, ""
        return TickInput(now_s, skipped, reading, sums, chunks, commands, stop, self._robot_fault, self._link_fault)

    def _read(self) -> Reading | None:
        if self._robot_fault:
            return None
        try:
            return self.robot.read()
        except RobotError as error:
            self._fail(f"reading the robot failed: {first_line(error)}")
            return None

    def _poll(self) -> tuple[TimedChunk, ...]:
        chunks = []
        try:
            while not self._link_fault and len(chunks) < MAX_ANSWERS and (chunk := self.link.poll()) is not None:
                chunks.append(chunk)
        except LinkError as error:
            self._link_fault = f"the policy cannot be asked any more: {first_line(error)}"
        return tuple(chunks)

    def _send(self, done: TickOutput) -> np.ndarray | None:
        if done.target is None or self._robot_fault or self.settings.mode != "live":
            return None
        if not np.isfinite(done.target).all():  # the guard gives none; nothing may ever pass here
            self._fail(f"a target is not finite: {done.target.tolist()}")
            return None
        try:
            sent = self.robot.send(done.target)
        except RobotError as error:
            self._fail(f"sending to the robot failed: {first_line(error)}")
            return None
        self.counts.sent += 1
        return sent

    def _fail(self, reason: str) -> None:
        """Stop a robot that fails, once, and send it nothing more."""
        self._robot_fault = reason
        try:
            self.robot.stop()
        except RobotError as error:
            self._robot_fault = f"{reason}; stopping it failed too: {first_line(error)}"

    def _ask(self, done: TickOutput) -> None:
        if done.request is None or self._link_fault:
            return
        try:
            self.link.request(done.request)
        except LinkError as error:
            self._link_fault = f"the policy cannot be asked any more: {first_line(error)}"
            return
        self.counts.requests += 1

    def _count(self, tick: Tick, is_armed: bool) -> None:
        counts = self.counts
        counts.ticks += 1
        if is_armed:  # while it is not, a tick may well be late: a world is put back
            counts.late += tick.timing["late_s"] > self.settings.period_s / 2
            counts.skipped += tick.seen.skipped
        counts.limited += tick.done.is_limited
        counts.chunks += len(tick.seen.chunks)
        counts.dropped_chunks += sum("dropped" in event for event in tick.done.events)


def _sum(picture: np.ndarray) -> int:
    return zlib.adler32(np.ascontiguousarray(picture[::PICTURE_STRIDE, ::PICTURE_STRIDE]).data)
