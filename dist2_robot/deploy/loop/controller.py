"""Every decision of the control loop, as a function of what came in: no clock, no robot, no socket in here.

In order of a tick: faults, a person's commands, answers of the policy, what to send, what to ask.

T steps of a chunk, A action dimensions, P committed steps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dist2_robot.deploy.inference import PolicyCard
from dist2_robot.deploy.limits import MotionLimits
from dist2_robot.deploy.link import ChunkRequest, TimedChunk
from dist2_robot.deploy.loop.chunk_check import NotFiniteError, check_content
from dist2_robot.deploy.loop.machine import State, StateMachine
from dist2_robot.deploy.loop.moments import Moments
from dist2_robot.deploy.loop.motion_guard import MotionGuard
from dist2_robot.deploy.loop.questions import Question, Questions
from dist2_robot.deploy.loop.ramp import Ramp
from dist2_robot.deploy.loop.reading_check import ReadingCheck
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.deploy.loop.tick import TickInput, TickOutput
from dist2_robot.deploy.loop.timeline import Timeline
from dist2_robot.deploy.loop.uncertainty import Uncertainty
from dist2_robot.deploy.robot import Reading, RobotDescription
from dist2_robot.errors import InputError, first_line

REJECTED_IN_A_ROW = 3  # chunks that cannot be played, until it stops
SLOWEST = 0.1  # play seconds a second
SPEED_MARGIN = 0.95  # of the velocity limit, which leaves the guard some to catch up with
NO_ONE_START = "the policy begins somewhere else each time; put the robot where its recordings begin"


@dataclass(frozen=True)
class _Motion:
    """What a state makes of a tick."""

    wanted: np.ndarray | None = None
    target: np.ndarray | None = None
    is_limited: bool = False
    speed: float = 1.0
    unsure: float | None = None
    entropy: float | None = None


class Controller:
    """Moves one robot by one policy.

    Args:
        robot: What it moves; its joints are those of the policy, see `fitness`.
        card: What the policy needs and gives.
        settings: The user's choices.

    Raises:
        InputError: The loop is too slow to brake, or no position is inside the limits of both robot and policy.
    """

    def __init__(self, robot: RobotDescription, card: PolicyCard, settings: ControlSettings) -> None:
        self.settings, self.card = settings, card
        spec = card.spec
        low, high = (np.array([getattr(d, side) for d in spec.dimensions]) for side in ("low", "high"))
        limits = robot.limits
        self.limits: MotionLimits = replace(limits, low=np.maximum(limits.low, low), high=np.minimum(limits.high, high))
        self._tolerances = np.array([d.tolerance for d in spec.dimensions])
        self._is_gripper = np.array([d.kind == "gripper" for d in spec.dimensions])
        self._is_predicted = np.array([d.constant is None for d in spec.dimensions])
        self.guard = MotionGuard(self.limits, settings.period_s)
        self.machine = StateMachine()
        self.timeline = Timeline(spec, settings.blend_s)
        self._check = ReadingCheck(settings, robot)
        observation = card.observation
        self._moments = Moments(observation.names, observation.history, self.timeline.period_s)
        self._questions = Questions(settings.latency_s)
        self._events: list[str] = []
        self._forget()

    def tick(self, seen: TickInput) -> TickOutput:
        """Decide one tick."""
        self._events, self._jump = [], None
        before = self.machine.state
        self._obey(seen)
        self._look_for_faults(seen)
        if seen.reading is not None and self.machine.state is not State.DISARMED:
            self._moments.add(seen.now_s, seen.reading.features)
        for chunk in seen.chunks:
            self._take(chunk, seen)
        motion = self._move(seen)
        request = self._ask(seen)
        if self.machine.state is not before:
            self._say(f"{before} -> {self.machine.state}" + (f": {self.machine.reason}" if self.machine.reason else ""))
        return TickOutput(
            **vars(motion),
            state=self.machine.state,
            reason=self.machine.reason,
            request=request,
            jump=self._jump,
            events=tuple(self._events),
        )

    @property
    def is_at_rest(self) -> bool:
        """Whether the robot is sent nothing that moves it."""
        return self.guard.is_at_rest or not self._is_held

    @property
    def can_rearm(self) -> bool:
        """Whether a re-arming would be obeyed."""
        return self.machine.state is State.STOPPED and self.is_at_rest

    # Faults and commands.

    def _obey(self, seen: TickInput) -> None:
        is_stopped_at_once = bool(seen.stop or seen.robot_fault or seen.link_fault)
        for command in seen.commands:
            if command == "rearm" and self.can_rearm:
                self.machine.rearm()
                self._forget()
            elif command == "arm" and is_stopped_at_once:
                self._say("not armed: it is stopped in the same tick")
            elif command == "arm" and self.machine.state is State.DISARMED and seen.reading is not None:
                self._arm(seen.reading, seen.now_s)
            else:
                self._say(f"'{command}' means nothing in {self.machine.state}")

    def _arm(self, reading: Reading, now_s: float) -> None:
        at = np.asarray(reading.positions, np.float64)
        inside = np.clip(at, self.limits.low, self.limits.high)
        try:
            self.guard.begin(np.where(np.abs(inside - at) <= self._tolerances, inside, at))
        except InputError as error:
            self.machine.reason = first_line(error)
            self._say(f"not armed: {self.machine.reason}")
            return
        self._forget()
        self._is_held, self._since_s = True, now_s
        self.machine.arm()

    def _forget(self) -> None:
        """Begin anew: nothing is planned, asked for or known."""
        self.timeline.clear()
        self._moments.clear()
        self._check.clear()
        self._questions.drop()
        self._uncertainty = Uncertainty()  # of the steps of the newest chunk
        self._ramp: Ramp | None = None
        self._jump: float | None = None
        self._play_s, self._speed = 0.0, 1.0
        self._since_s = 0.0  # since when it waits, or may have to: the beginning of the state, the end of a ramp
        self._lags_since_s: float | None = None
        self._rejected = 0
        self._is_held = False  # from arming on, for as long as the robot does what it is told

    def _look_for_faults(self, seen: TickInput) -> None:
        self._is_held &= not seen.robot_fault
        if self.machine.state is State.DISARMED:  # old or frozen readings hurt nobody as yet
            self._stop(seen.stop or seen.robot_fault or seen.link_fault)
            return
        is_sent = self.settings.mode == "live" and self.machine.state is not State.STOPPED
        is_still = not is_sent or self.guard.is_at_rest
        stale = self._check.fault(seen, is_still=is_still)
        for reason in (seen.stop, seen.robot_fault, seen.link_fault, stale):
            self._stop(reason)
        if seen.skipped:
            self._say(f"{seen.skipped} ticks were skipped")
            self.guard.stood_still()

    def _stop(self, reason: str) -> None:
        """Stop for a reason; an empty one is none."""
        if reason:
            self.machine.stop(reason)
            self._questions.drop()

    def _refuse(self, reason: str) -> None:
        self.machine.refuse(reason)
        self._is_held = False

    def _hold(self, reason: str, now_s: float) -> None:
        self.machine.hold(reason)
        self._questions.drop()  # what was asked before it stood still is answered too late
        self._since_s = now_s

    # Answers.

    def _take(self, chunk: TimedChunk, seen: TickInput) -> None:
        asked = self._questions.answered_by(chunk)
        if asked is None:
            kind = "is no longer wanted" if self._questions.was_asked(chunk) else "was never asked for"
            self._say(f"chunk {chunk.sequence} dropped: it {kind}")
            return
        try:
            wrong = check_content(chunk, self.card.spec, self.card.horizon)
        except NotFiniteError as error:
            self._stop(f"chunk {chunk.sequence} is not finite: {first_line(error)}")
            return
        end_s = asked.play_s + self.card.horizon * self.timeline.period_s
        late = "all its steps are past" if self._play_s >= end_s else ""
        if wrong or late:
            self._say(f"chunk {chunk.sequence} dropped: {wrong or late}")
            self._rejected += bool(wrong)
            if self._rejected >= REJECTED_IN_A_ROW:
                self._stop(f"{self._rejected} chunks in a row cannot be played: {wrong}")
            return
        self._rejected = 0
        self._questions.remember(seen.now_s - asked.observed_s)
        self._use(chunk, asked, seen)

    def _use(self, chunk: TimedChunk, asked: Question, seen: TickInput) -> None:
        if self.machine.state is State.READY and self.settings.mode != "shadow" and not self._may_start(chunk, seen):
            return
        uncertainty = self._uncertainty_of(chunk, asked)
        unsure, _ = uncertainty.at(0)
        most = self.settings.stop_when_unsure
        if self.machine.state is State.HOLD and unsure is not None and most is not None and unsure > most:
            self._say(f"chunk {chunk.sequence} dropped: unsure, it expects to be off by {unsure:.1f} tolerances")
            return
        self._uncertainty = uncertainty
        self._jump = self.timeline.put(chunk.actions, asked.play_s, self._play_s)
        if self.machine.state is State.READY:
            self.machine.start()
        elif self.machine.state is State.HOLD:
            self.machine.resume()

    def _may_start(self, chunk: TimedChunk, seen: TickInput) -> bool:
        """Tell whether the first action is near where the robot stands; else refuse, or begin to go there."""
        assert seen.reading is not None
        first = np.clip(np.asarray(chunk.actions[0], np.float64), self.limits.low, self.limits.high)
        is_imagined = self._ramp is not None and self.settings.mode == "dry_run"  # only the targets have gone there
        stands = self.guard.position if is_imagined else seen.reading.positions
        worst = self._far_joint(first, stands)
        if worst is None:
            return True
        name, at = self.card.spec.names[worst], stands[worst]
        text = f"the first action is far from where the robot stands: '{name}' {first[worst]:.4g}, it is at {at:.4g}"
        if self._ramp is not None:
            self._stop(self._why_ramp_failed(self._ramp, stands) or f"after the ramp {text}: {NO_ONE_START}")
        elif self.settings.start == "ramp":
            self._say(f"{text}: going there slowly")
            step = self.limits.velocity * self.settings.ramp_speed * self.settings.period_s
            self._ramp = Ramp(self.guard.position, first, step)
        else:
            self._refuse(f"{text}: move it there, or start=ramp goes there slowly")
        return False

    def _far_joint(self, goal: np.ndarray, stands: np.ndarray) -> int | None:
        """Return which joint takes longest from where it stands to a goal, (A,) each; None where all are near."""
        seconds = np.abs(goal - stands) / self.limits.velocity
        seconds[self._is_gripper] = 0
        return int(seconds.argmax()) if seconds.max() > self.settings.start_within_s else None

    def _why_ramp_failed(self, ramp: Ramp, stands: np.ndarray) -> str:
        """Return which joint is not where a ramp took it, or an empty string, given where they are, (A,)."""
        worst = self._far_joint(ramp.goal, stands)
        if worst is None:
            return ""
        name, goal, at = self.card.spec.names[worst], ramp.goal[worst], stands[worst]
        return f"the robot did not follow the ramp: '{name}' was sent to {goal:.4g}, it is at {at:.4g}: is it blocked?"

    # What to send.

    def _move(self, seen: TickInput) -> _Motion:
        moves: dict[State, Callable[[TickInput], _Motion]] = {
            State.DISARMED: lambda _: _Motion(),
            State.READY: self._stand_ready,
            State.RUNNING: self._follow,
            State.HOLD: self._stand_by,
            State.STOPPED: self._come_to_rest,
        }
        return moves[self.machine.state](seen)

    def _come_to_rest(self, _: TickInput) -> _Motion:
        # A robot that failed is told to stop, once, by the loop. It is sent nothing more, nor is one that is not armed.
        return _Motion(target=self.guard.brake() if self._is_held else None)

    def _stand_ready(self, seen: TickInput) -> _Motion:
        if self._ramp is not None:
            return self._go_slowly(self._ramp, seen)
        timeout_s = self.settings.answer_timeout_s
        if seen.now_s - self._since_s > timeout_s:
            self._refuse(f"the policy did not answer within {timeout_s:g} s")
        return _Motion(target=self.guard.brake())

    def _go_slowly(self, ramp: Ramp, seen: TickInput) -> _Motion:
        """Follow a ramp, then wait where it ends; what fails now stops: the robot is no longer where it was found."""
        if not ramp.is_over:
            self._since_s = seen.now_s
        way = ramp.advance()
        target = self.guard.step(ramp.position, way / self.settings.period_s)
        is_limited = ramp.is_over and self._lags(ramp.position, target, seen.now_s)
        timeout_s = self.settings.answer_timeout_s
        if seen.now_s - self._since_s > timeout_s:
            what = "the robot did not come to rest" if self._questions.open is None else "the policy did not answer"
            self._stop(f"{what} within {timeout_s:g} s after the ramp")
        return _Motion(wanted=ramp.position, target=target, is_limited=is_limited)

    def _stand_by(self, seen: TickInput) -> _Motion:
        if seen.now_s - self._since_s > self.settings.hold_timeout_s:
            self._stop(f"no way to go on for {self.settings.hold_timeout_s:g} s: {self.machine.reason}")
        return _Motion(target=self.guard.brake())

    def _follow(self, seen: TickInput) -> _Motion:
        settings, period_s = self.settings, self.settings.period_s
        self._play_s += period_s * self._speed
        wanted = self.timeline.at(self._play_s)
        if settings.wait and wanted is not None and self._is_used_up(0.0):
            wanted = None
        unsure, entropy = self._uncertainty.at(self.timeline.step_index(self._play_s))
        if settings.mode == "shadow":
            self._watch_shadow(wanted, seen.now_s)
            return _Motion(wanted=wanted, unsure=unsure, entropy=entropy)
        if wanted is None:
            self._hold("the chunk is used up and no other has come", seen.now_s)
            return self._stand_by(seen)
        if unsure is not None and settings.stop_when_unsure is not None and unsure > settings.stop_when_unsure:
            self._hold(f"unsure: the policy expects to be off by {unsure:.1f} tolerances", seen.now_s)
            return self._stand_by(seen)
        velocity = self._velocity(wanted)
        self._speed = self._speed_for(velocity, unsure)
        target = self.guard.step(wanted, velocity * self._speed)
        is_limited = self._lags(wanted, target, seen.now_s)
        return _Motion(wanted, target, is_limited, self._speed, unsure, entropy)

    def _watch_shadow(self, wanted: np.ndarray | None, now_s: float) -> None:
        """Stop a shadow that has had nothing to show for too long: there is nothing to hold, so it has no HOLD."""
        if wanted is not None:
            self._since_s = now_s
        elif now_s - self._since_s > self.settings.hold_timeout_s:
            self._stop(f"no chunk in time for {self.settings.hold_timeout_s:g} s")

    def _velocity(self, wanted: np.ndarray) -> np.ndarray:
        """Return how fast what is wanted moves at full speed, (A,)."""
        later = self.timeline.at(self._play_s + self.settings.period_s)
        if later is None:
            return np.zeros_like(wanted)
        return (later - wanted) / self.settings.period_s

    def _speed_for(self, velocity: np.ndarray, unsure: float | None) -> float:
        """Return a play speed at which no joint is asked for more than its velocity limit: slower, on the same path."""
        share = np.where(self._is_gripper, 0, np.abs(velocity) / self.limits.velocity).max()
        speed = min(1.0, SPEED_MARGIN / max(share, 1e-9))
        slow = self.settings.slow_when_unsure
        if unsure is not None and slow is not None and unsure > slow:
            speed = min(speed, slow / unsure)
        return max(float(speed), SLOWEST)

    def _lags(self, wanted: np.ndarray, target: np.ndarray, now_s: float) -> bool:
        lag = np.abs(wanted - target) - self._tolerances
        lag[self._is_gripper] = 0
        if lag.max() <= 1e-9:
            self._lags_since_s = None
            return False
        self._lags_since_s = now_s if self._lags_since_s is None else self._lags_since_s
        if now_s - self._lags_since_s > self.settings.limited_timeout_s:
            name = self.card.spec.names[int(lag.argmax())]
            self._stop(f"the limits kept '{name}' from what the policy wants for {self.settings.limited_timeout_s:g} s")
        return True

    # What to ask.

    def _ask(self, seen: TickInput) -> ChunkRequest | None:
        if self._questions.open is not None or seen.reading is None or not self._is_time_to_ask():
            return None
        prefix = np.zeros((0, len(self.card.spec)))
        if self.machine.state is State.RUNNING and self.settings.use_prefix and self.card.max_prefix:
            until_s = self._play_s + self._questions.latency_s * self._speed
            prefix = self.timeline.prefix(self._play_s, until_s)[: self.card.max_prefix]
        asked = self._questions.ask(seen.now_s, self._play_s, len(prefix))
        shown = self._moments.shown()
        return ChunkRequest(asked.sequence, seen.now_s, shown, prefix.astype(np.float32), self.settings.task)

    def _is_time_to_ask(self) -> bool:
        state = self.machine.state
        if state is State.RUNNING and self.settings.mode == "shadow":
            return self.timeline.at(self._play_s) is None or self._is_used_up(self._questions.latency_s)
        if state is State.RUNNING:
            return not self.settings.wait and self._is_used_up(self._questions.latency_s)
        if state is State.READY and self._ramp is not None:
            return self.guard.is_at_rest and self._ramp.is_over
        return state in (State.READY, State.HOLD) and self.guard.is_at_rest

    def _is_used_up(self, ahead_s: float) -> bool:
        """Tell whether the steps of a chunk that are to be played will have been so, some time ahead."""
        left_s = self.timeline.ends_s() - self._play_s
        unplayed_s = (self.card.horizon - self.settings.n_action_steps) * self.timeline.period_s
        return left_s - ahead_s <= unplayed_s + 1e-9

    def _uncertainty_of(self, chunk: TimedChunk, asked: Question) -> Uncertainty:
        times_s = [asked.play_s + k * self.timeline.period_s for k in range(asked.committed)]
        chosen = [self.timeline.step_index(time_s) for time_s in times_s]
        return Uncertainty.of(chunk, self._tolerances, self._is_predicted).committed_from(self._uncertainty, chosen)

    def _say(self, event: str) -> None:
        self._events.append(event)
