"""A process that simulates: it owns some environments, one a slot, and does to them what it is told.

T actions of a chunk, A action dimensions, F film frames.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import gymnasium as gym
import numpy as np

from dist2_robot.errors import InputError
from dist2_robot.rollouts.environment import (
    EnvironmentSpec,
    action_spec,
    close_environment,
    make_environment,
    to_features,
)
from dist2_robot.rollouts.episode import jerk, measured
from dist2_robot.rollouts.process import leave_interrupts_to_parent

SIGN_OF_LIFE_S = 1.0
FILM_HZ = 16  # about what a video needs; every picture costs as much as ten steps of simulation
FILM_AFTER_SUCCESS_S = 1.0  # what comes later is a robot that stands still


@dataclass(frozen=True)
class Reset:
    """Start an episode, of at most `max_steps` actions if that is given."""

    slot: int
    seed: int
    film: bool
    max_steps: int | None


@dataclass(frozen=True)
class Execute:
    """Execute actions (T, A) one after the other, until the episode ends."""

    slot: int
    actions: np.ndarray


@dataclass(frozen=True)
class Report:
    """How the episode of a slot stands after a command.

    Attributes:
        features: What is seen now, by LeRobot's names, and under ``task`` what is to be done; None after an error.
        is_over: Whether the episode has ended, by itself, at its limit or by an error.
        error: What broke, empty if nothing.
        is_input_error: Whether the error would meet every episode alike.
        steps, success_step, success_at_end, episode_return, progress, jerk, frames, frames_hz: As in `EpisodeResult`;
            jerk and frames at the end only.
    """

    slot: int
    features: dict[str, np.ndarray] | None = None
    is_over: bool = True
    error: str = ""
    is_input_error: bool = False
    steps: int = 0
    success_step: int | None = None
    success_at_end: bool = False
    episode_return: float = float("nan")
    progress: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    jerk: float = float("nan")
    frames: np.ndarray | None = None
    frames_hz: float = 0.0


def serve(connection: Connection, spec: EnvironmentSpec, render: bool) -> None:
    """Obey lists of `Reset` and `Execute` with one `Report` each, in order, until the connection closes.

    Reports go out in lists too, for each message wakes the parent, which takes a core from a simulation: at the end of
    a list of commands, when an episode is over, and every second as a sign of life. A first empty list tells that the
    process is up. An exception of an environment becomes a report, and the slot gets a new environment at its next
    reset.
    """
    leave_interrupts_to_parent()
    slots: dict[int, Slot] = {}
    with closing(connection), suppress(EOFError, OSError), slots_closed(slots):  # the parent is gone, or wants us gone
        connection.send([])
        while True:
            reports, told_at = [], time.monotonic()
            for command in connection.recv():
                reports.append(carry_out(command, slots, spec, render))
                if reports[-1].is_over or time.monotonic() > told_at + SIGN_OF_LIFE_S:
                    connection.send(reports)
                    reports, told_at = [], time.monotonic()
            if reports:
                connection.send(reports)


def carry_out(command: Reset | Execute, slots: "dict[int, Slot]", spec: EnvironmentSpec, render: bool) -> Report:
    """Obey in the slot that a command means, which is made if it is not there, and taken away if it breaks."""
    try:
        if command.slot not in slots:
            slots[command.slot] = _new_slot(spec, render)
        return slots[command.slot].obey(command)
    except Exception as error:
        if broken := slots.pop(command.slot, None):
            broken.close()
        is_input_error = isinstance(error, InputError)
        message = str(error) if is_input_error else f"{type(error).__name__}: {error}"
        return Report(command.slot, error=message, is_input_error=is_input_error)


@contextmanager
def slots_closed(slots: "dict[int, Slot]") -> Iterator[None]:
    """Close all that there are at the end."""
    try:
        yield
    finally:
        while slots:
            slots.popitem()[1].close()


def _new_slot(spec: EnvironmentSpec, render: bool) -> "Slot":
    env = make_environment(spec, render)
    try:
        return Slot(env)
    except BaseException:
        close_environment(env)
        raise


class Slot:
    """One environment and the episode that runs in it."""

    def __init__(self, env: gym.Env) -> None:
        self._env = env
        self._task: dict[str, np.ndarray] = {}
        self._tolerances = np.array([dimension.tolerance for dimension in action_spec(env).dimensions])
        rate_hz = env.metadata["render_fps"]
        self._film_every = max(1, round(rate_hz / FILM_HZ))
        self._frames_hz = rate_hz / self._film_every
        self._film_after_success = round(FILM_AFTER_SUCCESS_S * rate_hz)

    def close(self) -> None:
        """Free what the environment holds, however broken it is."""
        close_environment(self._env)

    def obey(self, command: Reset | Execute) -> Report:
        """Do what is told and report."""
        if isinstance(command, Reset):
            return self._reset(command)
        return self._execute(command)

    def _reset(self, command: Reset) -> Report:
        self._command, self._executed, self._frames = command, [], []
        self._success_step, self._is_success = None, False
        self._return, self._progress = 0.0, {}
        observation, info = self._env.reset(seed=command.seed)
        if self._env.has_wrapper_attr("task_description"):  # which may be another one in each episode
            self._task = {"task": np.asarray(str(self._env.get_wrapper_attr("task_description")))}
        self._film()
        return self._report(observation, is_over=False, error=info.get("simulation_error", ""))

    def _execute(self, command: Execute) -> Report:
        if not np.isfinite(command.actions).all():
            raise ValueError(f"the policy asked for an action that is not finite after {len(self._executed)} steps")
        observation, error, is_over = None, "", False
        for action in command.actions:
            observation, reward, terminated, truncated, info = self._env.step(action)
            self._executed.append(action)
            self._return += float(reward)
            for name, value in measured(info).items():
                self._progress[name] = (max(value, self._progress.get(name, (value,))[0]), value)
            self._is_success = bool(info["is_success"])
            if self._is_success and self._success_step is None:
                self._success_step = len(self._executed)
            self._film()
            error = info.get("simulation_error", "")
            is_over = terminated or truncated or len(self._executed) == self._command.max_steps
            if is_over or error:
                break
        return self._report(observation, is_over, error)

    def _film(self) -> None:
        step = len(self._executed)
        is_shown = self._success_step is None or step <= self._success_step + self._film_after_success
        if self._command.film and is_shown and step % self._film_every == 0:
            self._frames.append(self._env.render())

    def _report(self, observation: Any, is_over: bool, error: str) -> Report:
        is_over = is_over or bool(error)
        return Report(
            slot=self._command.slot,
            features=None if error else {**to_features(observation), **self._task},
            is_over=is_over,
            error=error,
            steps=len(self._executed),
            success_step=self._success_step,
            success_at_end=self._is_success,
            episode_return=self._return if np.isfinite(self._return) else float("nan"),
            progress=dict(self._progress),
            jerk=jerk(np.array(self._executed), self._tolerances) if is_over else float("nan"),
            frames=np.stack(self._frames) if is_over and self._frames else None,
            frames_hz=self._frames_hz if self._command.film else 0.0,
        )
