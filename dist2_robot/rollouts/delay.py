"""Chunks that arrive late, as on a real robot, counted in steps of the simulation and not by a clock.

An observation is made and asked about; the answer is there `delay` steps later, while the robot goes on (or waits).
T steps of a chunk, P committed steps, A action dimensions.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.errors import InputError

Strategy = Literal["prefix", "blind", "naive", "waiting"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
PREFIX_ACTIONS, PREFIX_STEPS = "prefix.actions", "prefix.steps"  # beside the features that a policy sees


@dataclass(frozen=True)
class Delay:
    """How late chunks are, and what is done about it.

    Attributes:
        steps: From an observation to the chunk that answers it.
        strategy: ``prefix``: the policy is told what will be done until its answer is there, and goes on from it.
            ``blind``: it is not told; the answer takes over at its step of the present moment. ``naive``: the answer
            takes over from its first step on, as if nothing had happened meanwhile. ``waiting``: the arm keeps still
            until the answer is there.
        execute: Actions of a chunk that are executed at least before the next is asked for.
    """

    steps: int
    strategy: Strategy
    execute: int = 4

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise InputError(f"a strategy against delay is one of {', '.join(STRATEGIES)}, not '{self.strategy}'")
        if self.steps < 0 or self.execute < 1:
            raise InputError(f"a delay needs steps >= 0 and execute >= 1, got {self.steps} and {self.execute}")

    @property
    def period(self) -> int:
        """Steps from one observation that is asked about to the next."""
        return self.steps + self.execute if self.strategy == "waiting" else max(self.steps, self.execute)

    def check(self, spec: ActionSpec, horizon: int, max_prefix: int) -> None:
        """Raise InputError where a policy cannot do it."""
        if spec.control_mode != "absolute":
            raise InputError("delays are for absolute actions: a target that is repeated must keep the robot still")
        if (self.period + self.steps > horizon and self.strategy != "waiting") or self.period > horizon:
            raise InputError(
                f"chunks of {horizon} steps are over before the next one is there: a delay of {self.steps} with "
                f"execute={self.execute} needs {self.period + self.steps}"
            )
        if self.strategy == "prefix" and self.steps > max_prefix:
            raise InputError(f"this policy goes on from {max_prefix} committed steps at most, not {self.steps}")


class DelayedChunks:
    """The plan of one episode. Takes the place of a `TemporalEnsemble` in `run_episodes`.

    Attributes:
        jumps: Of each change from one chunk to the next, how far the target moved in that step, in tolerances, mean
            over dimensions that move and are no grippers.
        moves: The same of all other steps.
    """

    def __init__(self, spec: ActionSpec, delay: Delay) -> None:
        self._delay = delay
        self._dimensions = len(spec)
        moving = [d.kind != "gripper" and d.constant is None for d in spec.dimensions]
        self._moving = np.array(moving if any(moving) else [True] * len(spec))
        self._tolerance = np.array([d.tolerance for d in spec.dimensions])
        self._period = np.array([d.high - d.low if d.wraps else np.inf for d in spec.dimensions])
        self._plan: np.ndarray | None = None  # from the present step on
        self._last: np.ndarray | None = None  # what was executed last
        self._changes_next = False
        self.jumps: list[float] = []
        self.moves: list[float] = []

    def committed(self) -> dict[str, np.ndarray]:
        """Return the next steps of the plan, which are executed whatever the policy says, if it is to be told."""
        if self._delay.strategy != "prefix" or not self._delay.steps:
            return {}
        actions = np.zeros((self._delay.steps, self._dimensions), np.float32)
        if self._plan is not None:
            actions[:] = self._plan[: self._delay.steps]
        return {PREFIX_ACTIONS: actions, PREFIX_STEPS: np.asarray(0 if self._plan is None else self._delay.steps)}

    def blend(self, chunk: np.ndarray, executed: int) -> np.ndarray:
        """Return the actions for the next steps, given the chunk (T, A) for the present observation.

        Args:
            chunk: What the policy wants from the present step on.
            executed: How many of the returned actions will be executed, the period of the delay, unless fewer are
                returned: the first chunk of ``waiting`` is asked for before the clock starts, so nothing is waited for.
        """
        actions, change = self._merge(chunk)
        done = actions[:executed]
        self._note(done, change)
        self._plan, self._last = actions[executed:], done[-1]
        return actions

    def _merge(self, chunk: np.ndarray) -> tuple[np.ndarray, int | None]:
        """Return the actions from the present step on, and at which of them the chunk takes over, if another ran."""
        delay = self._delay
        if self._plan is None or self._last is None:  # the first is waited for before the clock starts
            return (chunk[: delay.execute] if delay.strategy == "waiting" else chunk), None
        if delay.strategy == "waiting":
            still = np.repeat(self._last[None], delay.steps, 0)
            return np.concatenate([still, chunk[: delay.execute]]), delay.steps
        start = 0 if delay.strategy == "naive" else delay.steps
        return np.concatenate([self._plan[: delay.steps], chunk[start:]]), delay.steps

    def _note(self, actions: np.ndarray, change: int | None) -> None:
        """Take note of actions that will be executed; the chunk takes over at one of them, or at the first after."""
        path = actions if self._last is None else np.concatenate([self._last[None], actions])
        step = np.abs(np.diff(path.astype(np.float64), axis=0))
        step = np.where(np.isfinite(self._period), np.minimum(step, np.abs(self._period - step)), step)
        sizes = (step / self._tolerance)[:, self._moving].mean(axis=1)
        is_change = np.arange(len(sizes)) == change
        is_change[:1] |= self._changes_next
        self._changes_next = change == len(sizes)
        self.jumps += sizes[is_change].tolist()
        self.moves += sizes[~is_change].tolist()
