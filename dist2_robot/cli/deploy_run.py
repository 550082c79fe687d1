"""One run on a robot: a person arms it, episodes of a simulated one follow each other, somebody stops it."""

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from dist2_robot.actions.units import in_unit, shown_unit
from dist2_robot.cli.closed_pipe import patient_output
from dist2_robot.deploy.clock import MonotonicClock
from dist2_robot.deploy.link import PolicyLink
from dist2_robot.deploy.loop.control_loop import ControlLoop, Tick
from dist2_robot.deploy.loop.keys import Keys
from dist2_robot.deploy.loop.live_view import LiveView
from dist2_robot.deploy.loop.log_writer import LogWriter
from dist2_robot.deploy.loop.machine import State
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.deploy.loop.statistics import RunStatistics
from dist2_robot.deploy.robot import RobotError
from dist2_robot.deploy.robots.remote_robot import RemoteRobot, RemoteSimulatedRobot
from dist2_robot.errors import InputError, first_line
from dist2_robot.evaluation.intervals import wilson_interval
from dist2_robot.seeding import stream_seed

SUCCESS, TIME_LIMIT, DURATION, KEY = "success", "the episode's time is over", "duration_s is over", "stopped by a key"
ENDINGS = (SUCCESS, TIME_LIMIT, DURATION, KEY)
EPISODE_S = 10.0  # longest episode of a simulated robot whose configuration does not say, as of LeRobot's
SIGNAL_CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
ROBOT_LOST, POLICY_LOST = 3, 4  # exit codes: what failed cannot be asked any more


class DeployRun:
    """Args:
    robot: Opened, not connected.
    link: To the policy, which fits the robot.
    settings: Of the loop.
    log: Of the run.
    config: Of dist2-deploy: how many episodes, how long, who arms, whether to draw.
    """

    def __init__(
        self,
        robot: RemoteRobot,
        link: PolicyLink,
        settings: ControlSettings,
        log: LogWriter,
        config: Mapping[str, Any],
    ) -> None:
        self._robot, self._settings, self._config = robot, settings, config
        self._statistics = RunStatistics(settings.period_s)
        self._view: LiveView | None = None
        self.loop = ControlLoop(robot, link, MonotonicClock(), settings, log, self._watch)
        self._robot_fault = self._link_fault = ""
        self._may_go_on = self._is_asking = False
        self._reason = ""
        self._is_told = False  # that an arm which falls is let go
        self._episodes: list[dict[str, Any]] = []

    def stop(self, reason: str) -> None:
        """Stop the robot and end the run; from any thread or signal handler.

        Raises:
            KeyboardInterrupt: A person was being asked whether to arm it; nothing is connected yet.
        """
        self.loop.stop(reason)
        self._may_go_on = True
        if self._is_asking:
            raise KeyboardInterrupt  # waiting for a line of text goes on after a signal, unless it raises

    def run(self) -> dict[str, Any]:
        """Connect, move, disconnect; return results as plain values, also where robot or policy are lost meanwhile.

        Raises:
            RobotError: The robot cannot be connected.
        """
        robot = self._robot.description
        self._ask_to_arm()
        self._robot.connect()
        keys = {" ": lambda: self.stop(KEY), "q": lambda: self.stop(KEY), "\n": self._go_on}
        with patient_output(), Keys(keys) as listener, self._drawn():
            try:
                self._move(listener)
            except RobotError as error:  # of a new episode: those of a tick are the loop's
                self._robot_fault = first_line(error)
            except BaseException:
                self._let_go()
                raise
            self._let_go()
        return {
            "reason": self._reason or self.loop.controller.machine.reason or self._robot_fault,
            "exit_code": self._exit_code(),
            "robot_fault": self._robot_fault,
            "policy_fault": self._policy_fault(),
            "stop": robot.stop,
            "on_disconnect": robot.on_disconnect,
            "time": self._statistics.summary(),
            **self._successes(),
        }

    def _move(self, keys: Keys) -> None:
        if isinstance(self._robot, RemoteSimulatedRobot) and self._robot.description.is_simulated:
            self._do_episodes(self._robot)
        else:
            self.loop.run(self._until)
            self._reason = self.loop.controller.machine.reason  # not what is said later to the arm that is held
            self._hold_until_told(keys)

    def _let_go(self) -> None:
        """Disconnect the robot; an arm that would fall without anybody being told is left to its process, which holds
        it for a while, so that somebody can take it.
        """
        if self._robot.description.falls and not self._is_told:
            return
        try:
            self._robot.disconnect()
        except RobotError as error:
            self._robot_fault = self._robot_fault or first_line(error)

    def _exit_code(self) -> int:
        reason = self._reason or self.loop.controller.machine.reason
        if self._robot_fault:
            return ROBOT_LOST
        if reason in SIGNAL_CODES or reason in ENDINGS:
            return SIGNAL_CODES.get(reason, 0)
        return POLICY_LOST if self._policy_fault() else 1

    def _policy_fault(self) -> str:
        """Return why the policy cannot be asked any more, or that it has been silent for too long."""
        silent_s = self._statistics.silent_s
        silent = f"the policy has not answered for {silent_s:.1f} s" if silent_s > self._settings.hold_timeout_s else ""
        return self._link_fault or silent

    def _ask_to_arm(self) -> None:
        robot, arm = self._robot.description, self._config["arm"]
        if arm not in ("ask", "yes"):
            raise InputError(f"arm must be ask or yes, got '{arm}'")
        print(f"robot: {robot.name}")
        print(f"  a stop means: {robot.stop} the position; when it is disconnected: {robot.on_disconnect}")
        limits = self.loop.controller.limits
        for i, dimension in enumerate(robot.spec.dimensions):
            unit = shown_unit(dimension.unit)
            print(
                f"  {dimension.name}: {limits.low[i]:.4g} to {in_unit(f'{limits.high[i]:.4g}', unit)}, at most "
                f"{limits.velocity[i]:.4g}{f' {unit}/s' if unit else ' a second'}"
            )
        for note in robot.notes:
            print(f"  note: {note}")
        if robot.is_simulated or self._settings.mode != "live" or arm == "yes":
            return
        print("Software limits are no safety function: keep the emergency stop within reach.")
        self._is_asking = True
        try:
            answer = input("The robot will move. Type 'arm' to arm it: ")
        except (EOFError, RuntimeError, ValueError):  # nobody can answer: the input is at its end, lost, closed
            raise InputError("not armed: there is nobody to type 'arm'; say arm=yes where nobody can be hurt") from None
        finally:
            self._is_asking = False
        if answer.strip() != "arm":
            raise InputError("not armed: type 'arm' when asked, or say arm=yes")

    @contextlib.contextmanager
    def _drawn(self) -> Any:
        if not self._config["view"]:
            yield
            return
        controller, spec = self.loop.controller, self._robot.description.spec
        title = f"{controller.card.checkpoint} on {self._robot.description.name}: space stops"
        with LiveView(title, spec.names, spec.units, controller.limits, self._settings) as view:
            self._view = view
            yield

    def _watch(self, tick: Tick) -> None:
        self._statistics(tick)
        self._robot_fault, self._link_fault = tick.seen.robot_fault, tick.seen.link_fault
        if self._view is not None:
            self._view(tick)

    def _until(self, tick: Tick) -> str:
        duration_s = self._config["duration_s"]
        if duration_s is not None and self._statistics.seconds(tick) >= duration_s:
            return DURATION
        return ""

    def _do_episodes(self, robot: RemoteSimulatedRobot) -> None:
        count = self._config["episodes"]
        if count is None:
            count = 1 if self._config["duration_s"] is None else 10**9
        limit_s = self._config["robot"].get("episode_s", EPISODE_S)
        while len(self._episodes) < count:
            index = len(self._episodes)
            seed = stream_seed(self._config["seed"], "evaluate", index)
            began_s: float | None = None

            def until(tick: Tick) -> str:
                nonlocal began_s
                began_s = tick.seen.now_s if began_s is None else began_s
                if tick.seen.reading is not None and tick.seen.reading.is_success:
                    return SUCCESS
                return TIME_LIMIT if tick.seen.now_s - began_s >= limit_s else self._until(tick)

            last = self.loop.run(until, before=lambda seed=seed: robot.begin_episode(seed))
            reason = self.loop.controller.machine.reason
            seconds = last.seen.now_s - (began_s or last.seen.now_s)
            if reason in (DURATION, *SIGNAL_CODES, KEY):
                return  # an episode that was cut off is neither success nor failure
            outcome = "success" if reason == SUCCESS else "failure"
            self._episodes.append({"seed": seed, "outcome": outcome, "reason": reason, "seconds": seconds})
            if self.loop.state is State.DISARMED or reason not in ENDINGS:
                return  # a fault is a person's to look at, also in simulation

    def _hold_until_told(self, keys: Keys) -> None:
        """Keep a real arm where it is until a person has it: without its torque it may fall.

        Where nobody can press a key, one that was moved is held until a signal comes; one that was not is let go.
        """
        if not self._robot.description.falls or self._robot_fault:
            return
        if self._settings.mode != "live" and not (keys.is_listening and self.loop.state is State.STOPPED):
            self._is_told = True  # it was not moved
            return
        self._may_go_on = False
        told = "press Enter" if keys.is_listening else f"say kill -TERM {os.getpid()}: there is no terminal"
        print(f"\nheld. When it is disconnected the arm is released and may fall: support it, then {told}", flush=True)
        while not (self._may_go_on or self._robot_fault):
            self.loop.tick()
        self._is_told = self._may_go_on

    def _go_on(self) -> None:
        self._may_go_on = True

    def _successes(self) -> dict[str, Any]:
        wins = sum(episode["outcome"] == "success" for episode in self._episodes)
        count = len(self._episodes)
        return {
            "episodes": self._episodes,
            "success_rate": wins / count if count else None,
            "success_interval": list(wilson_interval(wins, count)) if count else None,
        }
