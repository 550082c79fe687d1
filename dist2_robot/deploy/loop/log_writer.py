"""Writes the lines of a run beside the control loop, which never waits for it."""

import json
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dist2_robot.errors import first_line
from dist2_robot.files import is_device

CAPACITY = 3000  # lines: a minute at 50 Hz
CLOSE_S = 10.0


class LogWriter:
    """A thread and a queue. What the disk does not take is dropped and counted, and the robot moves on.

    Args:
        path: The file; its folder is made, and what was there is replaced.
        first: Its first line.

    Attributes:
        error: Why the first line was dropped; empty while none was.

    Raises:
        OSError: The file cannot be begun: that is known before anything moves.
    """

    def __init__(self, path: Path, first: Mapping[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not is_device(path):
            path.unlink(missing_ok=True)  # a link is not followed, nor is a reader of a pipe waited for
        self._file = path.open("w", encoding="utf-8")
        self._file.write(_as_line(first))
        self._file.flush()
        self.path, self.error = path, ""
        self._refused = self._failed = 0  # each counted by one thread alone
        self._queue: queue.Queue[Callable[[], dict[str, Any]] | None] = queue.Queue(CAPACITY)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines are not in the file."""
        return self._refused + self._failed

    def put(self, line: Callable[[], dict[str, Any]]) -> None:
        """Hand over what makes a line; the thread calls it. It waits in memory, so it must not hold pictures."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._refused += 1
            self.error = self.error or "the disk is too slow"

    def close(self) -> None:
        """Write what is left, for some seconds at most."""
        try:
            self._queue.put(None, timeout=CLOSE_S)
            self._thread.join(CLOSE_S)
        except queue.Full:
            pass
        if self._thread.is_alive():
            self._refused += self._queue.qsize()
            self.error = self.error or "the disk is too slow"

    def _write(self) -> None:
        while (line := self._queue.get()) is not None:
            try:
                self._file.write(_as_line(line()))
                if self._queue.empty():
                    self._file.flush()
            except Exception as error:  # a line that cannot be written must not cost the others
                self._failed += 1
                self._note(error)
        try:
            self._file.close()
        except OSError as error:
            self._note(error)

    def _note(self, error: Exception) -> None:
        told = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {first_line(error)}"
        self.error = self.error or told


def _as_line(content: Mapping[str, Any]) -> str:
    """Return a line of JSON. Half a letter, as in the name of a broken file, becomes a question mark."""
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n"
