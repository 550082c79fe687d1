"""One thread in which the policy thinks, so that the server can listen meanwhile."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any


class WorkerThread:
    """Runs functions one after the other. A daemon: a policy that hangs does not keep the process from ending."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        threading.Thread(target=self._work, name="inference", daemon=True).start()

    async def run[T](self, job: Callable[[], T]) -> T:
        """Return, or raise, what a function does in the thread."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((job, future))
        return await future

    def close(self) -> None:
        """End the thread after what it does now."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (entry := self._jobs.get()) is not None:
            job, future = entry
            if future.cancelled():
                continue
            try:
                result, error = job(), None
            except Exception as raised:
                result, error = None, raised
            with suppress(RuntimeError):  # the server's loop is closed
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
