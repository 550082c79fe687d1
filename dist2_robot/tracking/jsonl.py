"""One JSON object a line: the record of a run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class JsonlTracker:
    """Appends to a file, and flushes every line.

    Args:
        path: The file, made if it is not there.
        resume_step: Lines after this step, written by a run that was killed, are dropped.
    """

    def __init__(self, path: Path, resume_step: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in _complete_lines(path) if json.loads(line)["step"] <= resume_step]
        path.write_text("".join(line + "\n" for line in kept))
        self._file = path.open("a")

    def log(self, record: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _complete_lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    return [line for line in path.read_text().splitlines() if line.endswith("}")]
