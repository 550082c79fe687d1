"""What a person sees in the terminal while a robot moves: state, rate, latency, joints against their limits."""

import sys
import time
from collections.abc import Sequence

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dist2_robot.actions.units import shown_unit
from dist2_robot.deploy.limits import MotionLimits
from dist2_robot.deploy.loop.control_loop import Tick
from dist2_robot.deploy.loop.machine import State
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.printable import printable

REFRESHES_A_SECOND = 8
BAR = 24  # characters
_COLOR = {
    State.DISARMED: "white",
    State.READY: "cyan",
    State.RUNNING: "green",
    State.HOLD: "yellow",
    State.STOPPED: "red",
}


class LiveView:
    """Draws the last tick, in a thread of rich's. Use it as a context and call it with each tick.

    Args:
        title: What moves what.
        names: Of the action dimensions.
        units: Of the same.
        limits: Of the same.
        settings: Of the loop.
        console: Where to draw.
    """

    def __init__(
        self,
        title: str,
        names: Sequence[str],
        units: Sequence[str],
        limits: MotionLimits,
        settings: ControlSettings,
        console: Console | None = None,
    ) -> None:
        self._title = printable(title)
        self._names, self._units = [printable(name) for name in names], [printable(unit) for unit in units]
        self._limits, self._settings = limits, settings
        self._tick: Tick | None = None
        self._latency_s: float | None = None
        self._rate_hz: float | None = None
        self._asked_s: dict[int, float] = {}
        self._since = (0, time.monotonic())
        self._note = ""
        screen = getattr(sys.stdout, "unchecked", sys.stdout)  # it moves the cursor
        self._live = Live(
            get_renderable=self._draw,
            console=console or Console(file=screen),
            refresh_per_second=REFRESHES_A_SECOND,
            transient=False,
        )

    def __enter__(self) -> "LiveView":
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(*error)  # type: ignore[arg-type]

    def __call__(self, tick: Tick) -> None:
        """Show a tick at the next refresh."""
        for chunk in tick.seen.chunks:
            if (asked_s := self._asked_s.get(chunk.sequence)) is not None:
                self._latency_s = tick.seen.now_s - asked_s
        if tick.done.request is not None:
            self._asked_s = {tick.done.request.sequence: tick.seen.now_s}
        if tick.done.events:
            self._note = tick.done.events[-1]
        self._tick = tick

    def _draw(self) -> Panel:
        tick = self._tick
        if tick is None:
            return Panel("connecting", title=self._title)
        return Panel(Group(self._head(tick), self._joints(tick), Text(self._note, style="dim")), title=self._title)

    def _head(self, tick: Tick) -> Table:
        index, since_s = self._since
        now_s = time.monotonic()
        if now_s - since_s >= 1:
            self._rate_hz, self._since = (tick.index - index) / (now_s - since_s), (tick.index, now_s)
        done, counts = tick.done, tick.counts
        table = Table.grid(padding=(0, 2))
        state = Text(f" {done.state} ", style=f"bold reverse {_COLOR[done.state]}")
        table.add_row(state, Text(done.reason, style=_COLOR[done.state]))
        rate = (
            f"{_number(self._rate_hz)} of {self._settings.rate_hz:g} Hz, {counts.late} late, {counts.skipped} skipped"
        )
        table.add_row("rate", rate)
        latency = "has not answered yet" if self._latency_s is None else f"answers in {1000 * self._latency_s:.0f} ms"
        table.add_row("policy", f"{latency}, {counts.dropped_chunks} dropped")
        unsure = f"entropy {_number(done.entropy)} nats, expects to be off by {_number(done.unsure)} tolerances"
        table.add_row("sure", unsure)
        table.add_row("speed", f"{done.speed:.2f}, {counts.limited} ticks limited, {counts.sent} commands sent")
        return table

    def _joints(self, tick: Tick) -> Table:
        table = Table(box=None, padding=(0, 1))
        for column in ("joint", "is", "target", "", "in its range"):
            table.add_column(column, justify="right" if column in ("is", "target") else "left")
        positions = None if tick.seen.reading is None else tick.seen.reading.positions
        target = tick.done.target
        for i, (name, unit) in enumerate(zip(self._names, self._units, strict=True)):
            at = None if positions is None else float(positions[i])
            to = None if target is None else float(target[i])
            place, low, high = at if at is not None else to, self._limits.low[i], self._limits.high[i]
            share = None if place is None else (place - low) / (high - low)
            table.add_row(name, _number(at), _number(to), shown_unit(unit), _bar(share))
        return table


def _bar(share: float | None) -> Text:
    """Return where something is in a range, red near its ends."""
    if share is None or not np.isfinite(share):
        return Text("-" * BAR, style="dim")
    place = min(max(int(share * BAR), 0), BAR - 1)
    color = "red" if share < 0.03 or share > 0.97 else "green"
    return Text("─" * place + "●" + "─" * (BAR - 1 - place), style=color)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
