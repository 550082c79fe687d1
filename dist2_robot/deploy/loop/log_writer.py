"""Writes the lines of a run beside the control loop, which never waits for it."""

import json
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CAPACITY = 3000  # lines: a minute at 50 Hz
CLOSE_S = 10.0


class LogWriter:
    """A thread and a queue. What the disk does not take is dropped and counted, and the robot moves on.

    Args:
        path: The file; its folder is made, and what was there is replaced.
        first: Its first line.

    Raises:
        OSError: The file cannot be begun: that is known before anything moves.
    """

    def __init__(self, path: Path, first: Mapping[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")
        self._file.write(json.dumps(first) + "\n")
        self._file.flush()
        self.path, self.dropped, self.error = path, 0, ""
        self._queue: queue.Queue[Callable[[], dict[str, Any]] | None] = queue.Queue(CAPACITY)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def put(self, line: Callable[[], dict[str, Any]]) -> None:
        """Hand over what makes a line; the thread calls it."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what is left, for some seconds at most."""
        try:
            self._queue.put(None, timeout=CLOSE_S)
            self._thread.join(CLOSE_S)
        except queue.Full:
            pass
        if self._thread.is_alive():
            self.dropped += self._queue.qsize()
            self.error = self.error or "the disk is too slow"

    def _write(self) -> None:
        while (line := self._queue.get()) is not None:
            try:
                self._file.write(json.dumps(line()) + "\n")
                if self._queue.empty():
                    self._file.flush()
            except OSError as error:
                self.dropped += 1
                self.error = self.error or str(error)
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or str(error)
