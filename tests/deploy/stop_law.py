"""What must hold after a stop, whenever it was asked for, and lives of a control loop to try it in."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np

from dist2_robot.deploy.loop import control_loop, operator_queue
from dist2_robot.deploy.loop.control_loop import Tick
from dist2_robot.deploy.loop.machine import State
from tests.deploy.rigs import Rig, limits_kept

AT_REST = (State.STOPPED, State.DISARMED)
BRAKE_S = 0.2


class Witness:
    """Looks at every tick of a rig, asks for stops, and notes each breach of the law.

    The law: the tick after the one in progress is STOPPED or DISARMED, wants nothing, and so are all that follow until
    a run has returned with that stop as its reason; an armed robot stands within 0.2 s.

    Attributes:
        breaches: In words.
        stops: Asked for so far.
        states: State -> in how many ticks it was when a stop was asked for.
    """

    def __init__(self, rig: Rig) -> None:
        self.rig, self.breaches, self.stops = rig, list[str](), 0
        self.states: dict[str, int] = {}
        self._pending = ""
        self._asked_at = 0
        self._runs_since = 0
        self._first_of_run = 0
        self.rig.loop._watch = self._see

    @property
    def is_pending(self) -> bool:
        """Whether a stop has not been told of by a run."""
        return bool(self._pending)

    def stop(self) -> None:
        """Ask for a stop, if the last one has been answered."""
        if self._pending:
            return
        self.states[self.rig.state] = self.states.get(self.rig.state, 0) + 1
        self.stops += 1
        self._pending, self._asked_at, self._runs_since = f"stop {self.stops}", self.rig.loop.counts.ticks, 0
        self.rig.loop.stop(self._pending)

    def run(self, until: Callable[[Tick], str], before: Callable[[], None] = lambda: None) -> str:
        """Let the loop run, and return its reason."""
        self.rig.ticks.clear()
        self.rig.robot.sent.clear()
        self.rig.loop.run(until, before)
        reason = self.rig.reason
        self._look_at_motion()
        if self._pending and reason == self._pending:
            self._pending = ""
        elif self._pending:
            self._runs_since += 1
            if self._runs_since > 1:
                self._breach(f"{self._pending} was lost: the run ended with '{reason}'")
                self._pending = ""
        return reason

    def _see(self, tick: Tick) -> None:
        self.rig.ticks.append(tick)
        if not self._pending or tick.index <= self._asked_at:
            return
        if tick.done.state not in AT_REST or tick.done.wanted is not None:
            self._breach(f"{self._pending} in tick {self._asked_at}, and tick {tick.index} is {tick.done.state}")

    def _look_at_motion(self) -> None:
        rig = self.rig
        if rig.robot.sent and (share := limits_kept(rig)) > 1 + 1e-6:
            self._breach(f"{share} of a limit")
        states = [tick.done.state for tick in rig.ticks]
        if State.STOPPED not in states:
            return
        last = max(states.index(State.STOPPED) - 1, 0)  # the last tick that moved towards anything
        targets = np.array([tick.done.target for tick in rig.ticks[last:] if tick.done.target is not None])
        moved = np.flatnonzero(np.diff(targets, axis=0).any(axis=1)) if len(targets) > 1 else []
        if len(moved) and (moved[-1] + 1) / rig.settings.rate_hz > BRAKE_S + 1e-9:
            self._breach(f"it came to rest {moved[-1] + 1} ticks after the stop")

    def _breach(self, text: str) -> None:
        self.breaches.append(text)


@contextmanager
def on_line(number: int, act: Callable[[], None]) -> Iterator[list[int]]:
    """Call something before the n-th line that the loop's own code executes, as a signal handler would.

    Gives a list whose one number counts the lines.
    """
    files = {control_loop.__file__, operator_queue.__file__}
    count = [0]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            count[0] += 1
            if count[0] == number:
                sys.settrace(None)
                act()
                sys.settrace(trace)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)


def random_rig(rng: np.random.Generator) -> Rig:
    """Return a rig of random choices whose policy is early, late, unsure or far away."""
    rig = Rig(
        latency_s=float(rng.choice([0.0, 0.03, 0.1, 0.4])),
        mode=rng.choice(["live", "live", "live", "dry_run", "shadow"]),
        start=rng.choice(["check", "ramp"]),
        rate_hz=float(rng.choice([30.0, 40.0])),
        wait=bool(rng.random() < 0.2),
        stop_when_unsure=5.0,
        answer_timeout_s=0.5,
        hold_timeout_s=0.3,
    )
    rig.policy.step = float(rng.choice([1.0, 4.0]))
    if rng.random() < 0.4:  # the first action is far away
        rig.link.change = lambda chunk: [_moved(chunk, rig.policy.goal)]
    change = rig.link.change

    def mood(chunk: Any) -> list[Any]:
        rig.policy.unsure = float(rng.choice([1.0, 9.0], p=[0.8, 0.2]))
        rig.latency_s = float(rng.choice([rig.latency_s, 0.03, 0.7], p=[0.7, 0.25, 0.05]))
        return change(chunk)

    rig.link.change = mood
    return rig


def _moved(chunk: Any, goal: np.ndarray) -> Any:
    chunk.actions[:] = np.asarray(goal, np.float32)
    return chunk
