"""How well a run kept its time, and how sure its policy was."""

from typing import Any

import numpy as np

from dist2_robot.deploy.loop.control_loop import Tick
from dist2_robot.deploy.loop.machine import State


class RunStatistics:
    """Looks at each tick of a run; `summary` tells.

    Args:
        period_s: Of the loop.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._times: list[float] = []  # when each tick began
        self._places: list[int] = []  # the number of its deadline
        self._late: list[float] = []
        self._work: list[float] = []
        self._answers: list[float] = []
        self._inference: list[float] = []
        self._entropy: list[float] = []
        self._unsure: list[float] = []
        self._jumps: list[float] = []
        self._asked: dict[int, float] = {}
        self._silent_since_s: float | None = None  # when the first question after the last answer was asked
        self._states: dict[str, int] = dict.fromkeys(State, 0)
        self._place = 0
        self._last: Tick | None = None

    def __call__(self, tick: Tick) -> None:
        """Take in a tick."""
        self._last = tick
        self._place += 1 + tick.seen.skipped
        self._states[tick.done.state] += 1
        if tick.done.state is State.DISARMED:
            return
        self._times.append(tick.begun_s)
        self._places.append(self._place)
        self._late.append(tick.timing["late_s"])
        self._work.append(tick.timing["read_s"] + tick.timing["decide_s"] + tick.timing["send_s"])
        for chunk in tick.seen.chunks:
            if chunk.sequence in self._asked:
                self._answers.append(tick.seen.now_s - self._asked.pop(chunk.sequence))
                self._inference.append(chunk.inference_s)
            self._silent_since_s = None
        if tick.done.request is not None:
            self._asked = {tick.done.request.sequence: tick.seen.now_s}
            self._silent_since_s = self._silent_since_s or tick.seen.now_s
        for kept, value in (
            (self._entropy, tick.done.entropy),
            (self._unsure, tick.done.unsure),
            (self._jumps, tick.done.jump),
        ):
            if value is not None:
                kept.append(value)

    def seconds(self, tick: Tick) -> float:
        """Return how long before a tick the first armed one began."""
        return tick.begun_s - self._times[0] if self._times else 0.0

    @property
    def silent_s(self) -> float:
        """How long the policy has not answered although it was asked; 0 where the last question was answered."""
        since_s = self._silent_since_s
        return 0.0 if since_s is None or self._last is None else self._last.seen.now_s - since_s

    def summary(self) -> dict[str, Any]:
        """Return plain values, times in s: rate, drift, overruns, latencies, how sure the policy was."""
        if self._last is None or not self._times:
            return {"ticks": 0}
        counts, times = self._last.counts, np.array(self._times)
        ideal = times[0] + (np.array(self._places) - self._places[0]) * self._period_s
        passed_s = float(times[-1] - times[0])
        ticks = len(times)
        return {
            "ticks": ticks,
            "seconds": passed_s,
            "rate_hz": float((self._places[-1] - self._places[0]) / passed_s) if passed_s > 0 else None,
            "drift_s": float(np.median((times - ideal)[-100:]) - np.median((times - ideal)[:100])),
            "late_ticks": counts.late,
            "skipped_ticks": counts.skipped,
            "overruns": (counts.late + counts.skipped) / (ticks + counts.skipped),
            "late_s": _quantiles(self._late),
            "work_s": _quantiles(self._work),
            "answer_s": _quantiles(self._answers),
            "inference_s": _quantiles(self._inference),
            "requests": counts.requests,
            "chunks": counts.chunks,
            "dropped_chunks": counts.dropped_chunks,
            "commands_sent": counts.sent,
            "limited_ticks": counts.limited,
            "states": {str(state): count for state, count in self._states.items()},
            "entropy": _quantiles(self._entropy),
            "expected_error_tolerances": _quantiles(self._unsure),
            "jump": _quantiles(self._jumps),
        }


def _quantiles(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    x = np.array(values)
    return {
        "median": float(np.median(x)),
        "p99": float(np.quantile(x, 0.99)),
        "max": float(x.max()),
        "mean": float(x.mean()),
    }
