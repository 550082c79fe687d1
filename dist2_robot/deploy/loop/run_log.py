"""Reads the log of a run, and decides it anew."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dist2_robot.deploy.loop.controller import Controller
from dist2_robot.deploy.loop.log_format import output_line, read_header, read_input
from dist2_robot.errors import InputError
from dist2_robot.json_file import read_json_lines

LOG_FILE = "log.jsonl"
MAX_LOG_BYTES = 2**40  # read line by line
ODD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # what an entry of another type ends in


@dataclass(frozen=True)
class Replayed:
    """Attributes:
    ticks: How many were decided anew.
    difference: The first tick that came out otherwise, and in what; empty if none did.
    """

    ticks: int
    difference: str


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log, or of the one in a folder; a last line that was not finished is left out.

    Raises:
        InputError: There is no log.
    """
    path = path / LOG_FILE if path.is_dir() else path
    unfinished = ""
    try:
        for number, line in read_json_lines(path, MAX_LOG_BYTES):
            if unfinished:
                raise InputError(unfinished)
            if isinstance(line, dict):
                yield line
            else:
                unfinished = (
                    f"'{path}' line {number} is not JSON ({line if isinstance(line, ValueError) else 'no table'})"
                )
    except FileNotFoundError:
        raise InputError(f"there is no log '{path}': give the output folder of dist2-deploy") from None
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' cannot be read ({error}): give the output folder of dist2-deploy") from error


def replay(path: Path) -> Replayed:
    """Give the controller all that came in and compare what comes out, to the bit. Nothing is sent anywhere.

    Raises:
        InputError: The log cannot be read, or lacks ticks, as a full disk makes it.
    """
    lines = read_log(path)
    try:
        controller = Controller(*read_header(next(lines)))
    except StopIteration:
        raise InputError(f"'{path}' is empty") from None
    except ODD as error:
        raise InputError(f"'{path}' is not the log of a run: {error!r}") from error
    ticks = 0
    for line in lines:
        if "tick" not in line:
            continue
        if line["tick"] != ticks:
            raise InputError(f"'{path}' lacks tick {ticks}, it cannot be decided anew")
        try:
            now = json.loads(json.dumps(output_line(controller.tick(read_input(line)))))
            parts = [name for name in now if now[name] != line["out"].get(name)]
        except ODD as error:
            raise InputError(f"'{path}': its tick {ticks} cannot be decided anew ({error!r})") from error
        if parts or now != line["out"]:
            return Replayed(ticks, f"tick {ticks} differs in {', '.join(parts) or 'what it holds'}")
        ticks += 1
    return Replayed(ticks, "")
