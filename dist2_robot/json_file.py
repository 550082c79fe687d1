"""JSON files: written whole or not at all, and read within bounds, whoever wrote them."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dist2_robot.files import MIB, open_regular, read_bytes, write_text

MAX_BYTES = 32 * MIB  # an evaluation of 100 000 episodes; parsed it is up to 25 times as much
MAX_LINES_BYTES = 512 * MIB  # metrics of 1 000 000 steps
MAX_DEPTH = 64  # nothing of ours has more than 12 levels


def write_json(path: Path, content: Any, indent: int | None = 1) -> None:
    """Write a file whole or not at all. Raises as `files.write_text`."""
    write_text(path, json.dumps(content, indent=indent))


def read_json(path: Path, at_most: int = MAX_BYTES, bits: int = 64) -> Any:
    """Return what a JSON file holds. Raises as `files.read_bytes`, and as `parse_json`."""
    return parse_json(read_bytes(path, at_most), bits)


def parse_json(text: bytes | str, bits: int = 64) -> Any:
    """Return what a JSON text holds, fit to be computed with, walked through and shown.

    Raises:
        ValueError: It is no JSON, nested too deep, or holds a whole number of more bits, by default more than any array
            takes, or half a letter, which nothing prints. It says which, in one line.
    """
    try:
        content = json.loads(text.decode() if isinstance(text, bytes) else text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    level = [content]
    for _ in range(MAX_DEPTH):
        _check_values(level, bits)
        level = [value for parent in level for value in _inside(parent)]
        if not level:
            return content
    raise ValueError("it is nested too deep")


def read_json_lines(path: Path, at_most: int = MAX_LINES_BYTES) -> Iterator[tuple[int, Any]]:
    """Yield the number of each line of a .jsonl file and what it holds: a ValueError where it is no JSON.

    Empty lines are passed over.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is no regular file, or too large, or a line is.
    """
    with open_regular(path) as file:
        left, number = at_most, 0
        while line := file.readline(min(MAX_BYTES, left) + 1):
            left, number = left - len(line), number + 1
            if left < 0:
                raise ValueError(f"it has more than {at_most // MIB} MiB")
            if len(line) > MAX_BYTES:
                raise ValueError(f"a line of it has more than {MAX_BYTES // MIB} MiB")
            if not line.strip():
                continue
            try:
                yield number, parse_json(line)
            except ValueError as error:
                yield number, error


def _inside(value: Any) -> Iterable[Any]:
    """Return what is in a table or a list, the keys too."""
    if isinstance(value, dict):
        return (*value, *value.values())
    return value if isinstance(value, list) else ()


def _check_values(values: Iterable[Any], bits: int) -> None:
    for value in values:
        if isinstance(value, int) and not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueError(f"it holds a whole number of more than {bits} bits")
        if isinstance(value, str) and not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError("it holds a text with half a letter (a lone surrogate)")
