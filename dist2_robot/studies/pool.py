"""Worker processes that stay, so that what they import is imported once."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Self

from dist2_robot.rollouts.process import SPAWN, bare_main
from dist2_robot.studies.job import Execute, Unit
from dist2_robot.studies.record import Failure
from dist2_robot.studies.worker import log_file, serve

GRACE_S = 10.0  # for a worker that is asked to end


class Pool:
    """A number of workers; leaving its block ends them, whatever they do. Started when there is work.

    Args:
        workers: How many processes.
    """

    def __init__(self, workers: int) -> None:
        self._size = workers
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.end()
        self._workers = []

    def run(
        self,
        units: Sequence[Unit],
        execute: Execute,
        output: Path,
        on_end: Callable[[Unit, Failure | None], None],
    ) -> None:
        """Do all units of work, and tell of each as it ends; a unit whose worker dies has failed."""
        waiting = deque(units)
        while waiting or any(worker.unit for worker in self._workers):
            while waiting and (worker := self._idle_worker()):
                worker.order(waiting.popleft(), execute, output)
            busy = {worker.connection: worker for worker in self._workers if worker.unit}
            for connection in wait(list(busy)):
                worker = next(worker for known, worker in busy.items() if known is connection)
                unit, worker.unit = worker.unit, None
                assert unit is not None
                try:
                    failure = worker.connection.recv()
                except (EOFError, OSError):
                    self._workers.remove(worker)
                    failure = Failure(f"the worker died ({worker.end()}); see {log_file(output, unit)}")
                on_end(unit, failure)

    def _idle_worker(self) -> "_Worker | None":
        idle = next((worker for worker in self._workers if worker.unit is None), None)
        if idle is None and len(self._workers) < self._size:
            idle = _Worker()
            self._workers.append(idle)
        return idle


class _Worker:
    """One process and what it is at."""

    def __init__(self) -> None:
        self.connection, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=serve, args=(theirs,))  # no daemon: what it does may start processes
        with bare_main():
            self.process.start()
        theirs.close()  # so that we read an end of file when the child dies
        self.unit: Unit | None = None

    def order(self, unit: Unit, execute: Execute, output: Path) -> None:
        self.unit = unit
        with suppress(OSError):  # it may have died; reading from it will tell
            self.connection.send(log_file(output, unit))
            self.connection.send((execute, unit, output))

    def end(self) -> str:
        """End it, with force if need be, and say how it ended."""
        self.process.join(GRACE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()
        return f"exit code {self.process.exitcode}"
