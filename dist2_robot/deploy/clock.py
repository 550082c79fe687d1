"""Monotonic time, the only one that the control loop knows: wall clocks jump."""

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds from some start, that never go back."""

    def now(self) -> float:
        """Return the present time, in s."""
        ...

    def sleep_until(self, time_s: float) -> None:
        """Return at a time, or at once if it is past."""
        ...


class MonotonicClock:
    """The computer's own. On Linux all processes share it, so that times may be sent from one to another."""

    def now(self) -> float:
        return time.monotonic()

    def sleep_until(self, time_s: float) -> None:
        left = time_s - time.monotonic()
        if left > 0:
            time.sleep(left)
