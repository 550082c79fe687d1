"""A robot, a policy and a loop with a clock that jumps, put together for a test."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.deploy.inference import Inferred, PolicyCard
from dist2_robot.deploy.link import ChunkRequest, LinkError, TimedChunk
from dist2_robot.deploy.loop.control_loop import ControlLoop, Tick
from dist2_robot.deploy.loop.log_format import header
from dist2_robot.deploy.loop.log_writer import LogWriter
from dist2_robot.deploy.loop.machine import State
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.deploy.serving.in_process_link import InProcessLink
from dist2_robot.types import STATE, ObservationSpec
from tests.deploy.fakes import FakeClock, FakeRobot

Wave = Callable[[np.ndarray], np.ndarray]  # state (A,) -> chunk (T, A)


def card_of(spec: ActionSpec, **changes: Any) -> PolicyCard:
    """Return the card of a policy that looks at the joints of a spec."""
    given = {
        "checkpoint": "a test",
        "digest": "0" * 64,
        "form": "eager",
        "spec": spec,
        "horizon": 16,
        "max_prefix": 0,
        "observation": ObservationSpec({STATE: len(spec)}),
        "observation_names": {STATE: list(spec.names)},
        "tasks": ("reach",),
        "tokenizer": {"name": "uniform"},
        "golden_wrong": 0,
    }
    return PolicyCard(**{**given, **changes})


class Mover:
    """A policy that moves every joint on from where it stands, at a constant speed, until it has come to a goal."""

    def __init__(self, card: PolicyCard, goal: np.ndarray, step: float = 2.0) -> None:
        self.card, self.goal, self.step = card, goal, step
        self.unsure: float | None = None
        self.asked: list[Mapping[str, np.ndarray]] = []
        self.prefixes: list[np.ndarray | None] = []

    def infer(self, features: Mapping[str, np.ndarray], task: str | None, prefix: np.ndarray | None) -> Inferred:
        self.asked.append(features)
        self.prefixes.append(prefix)
        at = np.asarray(features[STATE], np.float64)
        at = at[-1] if at.ndim == 2 else at
        known = [] if prefix is None else list(prefix)
        chunk = []
        for k in range(self.card.horizon):
            at = known[k] if k < len(known) else at + np.clip(self.goal - at, -self.step, self.step)
            chunk.append(at)
        tolerances = np.array([d.tolerance for d in self.card.spec.dimensions])
        shape = (self.card.horizon, len(tolerances))
        error = None if self.unsure is None else (self.unsure * np.ones(shape) * tolerances).astype(np.float32)
        entropy = np.full(self.card.horizon, 0.5, np.float32)
        if error is not None:
            error[: len(known)] = 0  # as of every policy: it chooses nothing there
        entropy[: len(known)] = 0
        return Inferred(np.array(chunk, np.float32), entropy, error, 0.0)

    def reset(self) -> None:
        pass


class Rig:
    """A fake robot, a policy that answers after a latency, and the loop between them.

    Attributes:
        ticks: All of them.
    """

    def __init__(self, *, latency_s: float = 0.03, robot: FakeRobot | None = None, **choices: Any) -> None:
        changes = {name: choices.pop(name) for name in ("max_prefix", "observation", "horizon") if name in choices}
        self.clock = FakeClock()
        self.robot = robot or FakeRobot(self.clock)
        if robot is not None:
            self.clock = robot._clock  # type: ignore[assignment]
        spec = self.robot.description.spec
        goal = np.array([40.0] * (len(spec) - 1) + [60.0])
        self.policy = Mover(card_of(spec, **changes), goal)
        self.latency_s = latency_s
        self.link = Meddler(InProcessLink(self.policy, self.clock, lambda _: self.latency_s))
        self.settings = ControlSettings(**choices)
        self.robot.connect()
        self.loop = ControlLoop(self.robot, self.link, self.clock, self.settings, watch=self._watch)
        self.ticks: list[Tick] = []

    def _watch(self, tick: Tick) -> None:
        self.ticks.append(tick)

    def arm(self) -> None:
        self.loop.command("arm")

    def run(self, seconds: float) -> None:
        """Do the ticks of some time."""
        for _ in range(round(seconds * self.settings.rate_hz)):
            self.loop.tick()

    def moving(self, seconds: float = 0.5) -> "Rig":
        """Arm, and let the policy move the robot for a while."""
        self.arm()
        self.run(seconds)
        assert self.state is State.RUNNING, self.reason
        return self

    @property
    def state(self) -> State:
        return self.loop.state

    @property
    def reason(self) -> str:
        return self.loop.controller.machine.reason

    @property
    def events(self) -> list[str]:
        return [event for tick in self.ticks for event in tick.done.events]

    def sent(self) -> np.ndarray:
        """Return all targets that the robot was sent, (N, A)."""
        return np.array([targets for _, targets in self.robot.sent])

    def seconds_to_rest(self, since: int) -> float:
        """Return how long after a tick the targets still changed."""
        targets = np.array([t.done.target for t in self.ticks[since:] if t.done.target is not None])
        changed = np.flatnonzero(np.abs(np.diff(targets, axis=0)).max(axis=1) > 0)
        return (changed[-1] + 1 if len(changed) else 0) / self.settings.rate_hz


class Meddler:
    """A link in which a test can lose, repeat, spoil and hold back what goes through."""

    def __init__(self, link: InProcessLink) -> None:
        self._link = link
        self.change: Callable[[TimedChunk], list[TimedChunk]] = lambda chunk: [chunk]
        self.error = ""
        self.requests: list[ChunkRequest] = []
        self._waiting: list[TimedChunk] = []

    @property
    def card(self) -> PolicyCard:
        return self._link.card

    def request(self, request: ChunkRequest) -> None:
        if self.error:
            raise LinkError(self.error)
        self.requests.append(request)
        self._link.request(request)

    def poll(self) -> TimedChunk | None:
        if self.error:
            raise LinkError(self.error)
        if (chunk := self._link.poll()) is not None:
            self._waiting.extend(self.change(chunk))
        return self._waiting.pop(0) if self._waiting else None

    def close(self) -> None:
        self._link.close()


def logged(path: Path, rig: Rig) -> LogWriter:
    """Let a rig write a log."""
    log = LogWriter(path, header(rig.robot.description, rig.policy.card, rig.settings, {"command": "a test"}))
    rig.loop = ControlLoop(rig.robot, rig.link, rig.clock, rig.settings, log, rig._watch)
    return log


def limits_kept(rig: Rig) -> float:
    """Return the largest share of a limit that the sent targets reached; infinite where one is outside its range."""
    limits, rate_hz = rig.loop.controller.limits, rig.settings.rate_hz
    x = rig.sent()
    if not np.isfinite(x).all() or (x < limits.low).any() or (x > limits.high).any():
        return np.inf
    x = np.concatenate([np.repeat(x[:1], 3, axis=0), x])
    most = []
    for limit in (limits.velocity, limits.acceleration, limits.jerk):
        x = np.diff(x, axis=0) * rate_hz
        most.append((np.abs(x) / limit).max())
    return float(max(most))
