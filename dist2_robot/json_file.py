"""JSON files: written whole or not at all, and read within bounds, whoever wrote them."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

MAX_BYTES = 32 * 2**20


def write_json(path: Path, content: Any, indent: int | None = 1) -> None:
    """Write a file that is never seen half-written, even if the process is killed or the disk is full.

    Its folder is made. What a killed process left ends in ``.unfinished``.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    text = json.dumps(content, indent=indent)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise OSError(f"cannot write '{path}' ({error})") from error


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is no regular file, too large, no text, no JSON, or nested too deep. It says which, not where.
    """
    if not path.is_file():
        if path.exists():  # a device or a pipe may never end
            raise ValueError("it is no regular file")
        raise FileNotFoundError(path)
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES // 2**20} MiB")
    try:
        return json.loads(content.decode())
    except RecursionError:
        raise ValueError("it is nested too deep") from None
