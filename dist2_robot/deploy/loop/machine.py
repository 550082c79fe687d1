"""The states of a robot under control, and who may change them."""

from enum import StrEnum


class State(StrEnum):
    """DISARMED: nothing is sent. READY: armed, the joints are held, the policy is asked. RUNNING: the policy moves it.
    HOLD: braking, then standing, until a fresh chunk comes. STOPPED: braking, then standing, until a person re-arms;
    nothing is sent where it was not armed.
    """

    DISARMED = "DISARMED"
    READY = "READY"
    RUNNING = "RUNNING"
    HOLD = "HOLD"
    STOPPED = "STOPPED"


# From -> to. A person's: DISARMED -> READY (arm), STOPPED -> DISARMED (rearm). Everything may be stopped.
_ALLOWED = {
    State.DISARMED: {State.READY, State.STOPPED},
    State.READY: {State.RUNNING, State.DISARMED, State.STOPPED},
    State.RUNNING: {State.HOLD, State.STOPPED},
    State.HOLD: {State.RUNNING, State.STOPPED},
    State.STOPPED: {State.DISARMED},
}


class TransitionError(Exception):
    """A state that cannot follow the present one was asked for."""


class StateMachine:
    """DISARMED at first. What stopped it stays as `reason`, and STOPPED stays until a person calls `rearm`."""

    def __init__(self) -> None:
        self.state, self.reason = State.DISARMED, ""

    @property
    def is_moving(self) -> bool:
        """Whether the policy decides."""
        return self.state is State.RUNNING

    def arm(self) -> None:
        """A person lets the robot be held and the policy be asked."""
        self._go(State.READY, "")

    def start(self) -> None:
        """The first chunk fits where the robot stands."""
        self._go(State.RUNNING, "")

    def refuse(self, reason: str) -> None:
        """The first chunk does not fit where the robot stands."""
        self._go(State.DISARMED, reason)

    def hold(self, reason: str) -> None:
        """Brake and stand, to go on when there is something to go on with."""
        self._go(State.HOLD, reason)

    def resume(self) -> None:
        """A fresh chunk has come while standing."""
        self._go(State.RUNNING, "")

    def stop(self, reason: str) -> None:
        """Brake and stand until a person re-arms; the first reason stays."""
        if self.state is not State.STOPPED:
            self._go(State.STOPPED, reason)

    def rearm(self) -> None:
        """A person has looked at what stopped it. It is disarmed then, and may be armed."""
        self._go(State.DISARMED, "")

    def _go(self, state: State, reason: str) -> None:
        if state not in _ALLOWED[self.state]:
            raise TransitionError(f"{state} cannot follow {self.state}")
        self.state, self.reason = state, reason
