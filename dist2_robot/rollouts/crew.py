"""The parent's side of the workers: orders go out, reports come back, and who breaks is replaced."""

import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import wait

from dist2_robot.rollouts.environment import EnvironmentSpec
from dist2_robot.rollouts.process import SPAWN, bare_main
from dist2_robot.rollouts.worker import Execute, Report, Reset, Slot, carry_out, serve

START_TIMEOUT_S = 180.0  # imports, on a busy machine
CLOSE_TIMEOUT_S = 5.0  # to close environments; one that hangs is killed


class Crew:
    """A fixed number of workers; slot s belongs to worker s modulo their number.

    Args:
        spec: What every slot simulates.
        workers: How many processes.
        render: Whether episodes may be filmed.
        step_timeout_s: How long a worker may be silent before it counts as hung.
    """

    def __init__(self, spec: EnvironmentSpec, workers: int, render: bool, step_timeout_s: float) -> None:
        self._spec, self._render, self._step_timeout_s = spec, render, step_timeout_s
        self._workers: list[_Worker | None] = [None] * workers
        self._lost: dict[int, str] = {}  # slot -> how its worker ended

    def carry_out(self, commands: Sequence[Reset | Execute]) -> list[Report]:
        """Send all commands, at most one a slot, and return their reports in the same order.

        A worker that dies or hangs is ended. Its episodes are lost: their reports, now or at their next command, are
        errors. The next reset of one of its slots starts a new worker.
        """
        reports: dict[int, Report] = {}
        orders: dict[int, list[Reset | Execute]] = {}  # place of a worker -> its commands
        for command in commands:
            if isinstance(command, Reset):
                self._lost.pop(command.slot, None)
            elif command.slot in self._lost:
                reports[command.slot] = Report(command.slot, error=self._lost.pop(command.slot))
                continue
            orders.setdefault(command.slot % len(self._workers), []).append(command)
        for place, some in orders.items():
            worker = self._workers[place] or _Worker(self._spec, self._render, self._step_timeout_s)
            self._workers[place] = worker
            worker.send(some)
        while busy := [worker for worker in self._workers if worker and worker.owed]:
            patience_s = min(worker.deadline for worker in busy) - time.monotonic()
            heard = wait([worker.connection for worker in busy], timeout=max(0.0, patience_s))
            for worker in busy:
                if worker.connection in heard:
                    self._receive(worker, reports)
                elif time.monotonic() > worker.deadline:
                    self._lose(worker, f"the worker gave no sign of life for {worker.timeout_s:g} s", reports)
        return [reports[command.slot] for command in commands]

    def close(self) -> None:
        """Let all workers close their environments, and end those that do not within seconds."""
        hired = [worker for worker in self._workers if worker is not None]
        self._workers = [None for _ in self._workers]
        for worker in hired:
            worker.dismiss()
        deadline = time.monotonic() + CLOSE_TIMEOUT_S
        try:
            for worker in hired:
                worker.join(deadline)
        finally:  # an interrupted wait, too
            for worker in hired:
                worker.kill()

    def _receive(self, worker: "_Worker", reports: dict[int, Report]) -> None:
        try:
            received = worker.receive()
        except (EOFError, OSError):
            self._lose(worker, f"the worker died ({worker.exit_code()})", reports)
            return
        reports.update({report.slot: report for report in received})

    def _lose(self, worker: "_Worker", message: str, reports: dict[int, Report]) -> None:
        worker.kill()
        self._workers[self._workers.index(worker)] = None
        for slot in worker.owed:
            reports[slot] = Report(slot, error=message)
        for slot in worker.running - set(worker.owed):
            # Others of this worker's episodes reported in this round or stand still: they cannot go on.
            self._lost[slot] = message


class LocalCrew:
    """All slots in this process: no start-up and no timeouts, but a simulation that dies takes this process along.

    May carry out several runs one after the other, which saves building the environments anew.
    """

    def __init__(self, spec: EnvironmentSpec, render: bool = False) -> None:
        self._spec, self._render = spec, render
        self._slots: dict[int, Slot] = {}

    def carry_out(self, commands: Sequence[Reset | Execute]) -> list[Report]:
        """Carry out all commands and return their reports in the same order."""
        return [carry_out(command, self._slots, self._spec, self._render) for command in commands]

    def close(self) -> None:
        """Close all environments."""
        while self._slots:
            self._slots.popitem()[1].close()


class _Worker:
    """One process, what it owes us, and until when."""

    def __init__(self, spec: EnvironmentSpec, render: bool, step_timeout_s: float) -> None:
        self.connection, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=serve, args=(theirs, spec, render), daemon=True)
        with bare_main():
            self._process.start()
        theirs.close()  # so that we read an end of file when the child dies
        self._step_timeout_s = step_timeout_s
        self.timeout_s = START_TIMEOUT_S
        self.deadline = time.monotonic() + self.timeout_s
        self.owed: list[int] = []  # slots whose reports are due
        self.running: set[int] = set()  # slots with an episode that has not ended

    def send(self, commands: list[Reset | Execute]) -> None:
        if not self.owed and self.timeout_s == self._step_timeout_s:
            self.deadline = time.monotonic() + self.timeout_s
        for command in commands:
            self.owed.append(command.slot)
            self.running.add(command.slot)
        with suppress(OSError):  # it may have died between two rounds; reading from it will tell
            self.connection.send(commands)

    def receive(self) -> list[Report]:
        reports = self.connection.recv()
        self.timeout_s = self._step_timeout_s
        self.deadline = time.monotonic() + self.timeout_s
        for report in reports:
            self.owed.remove(report.slot)
            if report.is_over:
                self.running.discard(report.slot)
        return reports

    def exit_code(self) -> str:
        self._process.join(timeout=1.0)
        return f"exit code {self._process.exitcode}"

    def dismiss(self) -> None:
        """Hang up, upon which the process closes its environments and ends."""
        self.connection.close()

    def join(self, deadline: float) -> None:
        self._process.join(timeout=max(0.0, deadline - time.monotonic()))

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()
