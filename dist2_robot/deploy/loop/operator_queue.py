"""What people ask of a control loop, in the order in which they ask: to arm, to re-arm, to stop."""

from collections import deque
from dataclasses import dataclass

from dist2_robot.deploy.loop.tick import Command


@dataclass(frozen=True)
class _Stop:
    reason: str


class OperatorQueue:
    """Commands and stops, from any thread or signal handler; one thread, the loop's, takes them.

    A signal handler may interrupt the loop anywhere, so nothing here takes a lock: appending to a deque and taking
    from it are atomic.

    A stop ends whatever was asked for before it, and only a re-arming that was asked for after it takes it back. One
    that comes while the robot is stopped already has nothing to end; it is kept, and stops the robot again as soon as
    a re-arming that did not know of it, see `command_first`, has been obeyed.
    """

    def __init__(self) -> None:
        self._asked: deque[Command | _Stop] = deque()
        self._kept = ""  # a stop that came while it was stopped already

    def stop(self, reason: str) -> None:
        """Ask for a stop."""
        self._asked.append(_Stop(reason or "stopped without a reason"))

    def command(self, command: Command) -> None:
        """Ask for something after all that was asked for so far."""
        self._asked.append(command)

    def command_first(self, command: Command) -> None:
        """Ask for something as if before all that has not been obeyed yet; only for the thread that takes."""
        if self._kept:
            self._asked.appendleft(_Stop(self._kept))
            self._kept = ""
        self._asked.appendleft(command)

    @property
    def wants_rearm(self) -> bool:
        """Whether a re-arming is among what is asked for."""
        return "rearm" in tuple(self._asked)  # copied at once: others may append meanwhile

    @property
    def is_stop_next(self) -> bool:
        """Whether a stop comes before any command."""
        return bool(self._kept or (self._asked and isinstance(self._asked[0], _Stop)))

    def take(self, *, is_stopped: bool, can_rearm: bool) -> tuple[tuple[Command, ...], str]:
        """Return what to obey in this tick: commands, and why to stop after them; empty for no stop.

        What was asked for after that stop is left for the next tick.

        Args:
            is_stopped: Whether the robot is stopped already.
            can_rearm: Whether it would obey a re-arming now.
        """
        commands: list[Command] = []
        while self._asked:
            asked = self._asked.popleft()
            if not isinstance(asked, _Stop):
                if asked == "rearm" and can_rearm:
                    is_stopped, self._kept = False, ""
                commands.append(asked)
            elif is_stopped:
                self._kept = self._kept or asked.reason
            else:
                while self._asked and isinstance(self._asked[0], _Stop):  # asked for twice
                    self._asked.popleft()
                return tuple(commands), asked.reason
        return tuple(commands), ""
