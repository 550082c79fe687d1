"""One JSON object a line: the record of a run."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.json_file import read_json_lines


class JsonlTracker:
    """Appends to a file, and flushes every line.

    Args:
        path: The file, made if it is not there.
        resume_step: Lines after this step, written by a run that was killed, are dropped.
    """

    def __init__(self, path: Path, resume_step: int = 0) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line, record in _records(path) if record["step"] <= resume_step]
        rewritten = path.with_name(f".{path.name}.rewritten")
        rewritten.write_text("".join(line + "\n" for line in kept))
        rewritten.replace(path)
        self._file = path.open("a")

    def log(self, record: Mapping[str, Any]) -> None:
        """Append a line. Raises OSError where it cannot be written: without its record a run is worth nothing."""
        line = json.dumps(record) + "\n"
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            raise OSError(f"cannot write '{self._path}' ({error}); the last checkpoint is intact") from error

    def close(self) -> None:
        with contextlib.suppress(OSError):  # of a line that could not be written, which `log` has told
            self._file.close()


def _records(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each line with what it holds, but for one that was cut off when the run was killed.

    Raises:
        InputError: It is no regular file, or too large.
    """
    try:
        for _, record in read_json_lines(path):
            if isinstance(record, dict) and isinstance(record.get("step"), int):
                yield json.dumps(record), record
    except FileNotFoundError:
        return
    except ValueError as error:
        raise InputError(f"'{path}' cannot be read ({error}): move it away") from error
