"""Reads the log of a run, and decides it anew."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dist2_robot.deploy.loop.controller import Controller
from dist2_robot.deploy.loop.log_format import output_line, read_header, read_input
from dist2_robot.errors import InputError

LOG_FILE = "log.jsonl"


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
    if not path.is_file():
        raise InputError(f"there is no log '{path}': give the output folder of dist2-deploy")
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            if not text.endswith("\n"):
                return
            try:
                yield json.loads(text)
            except ValueError as error:
                raise InputError(f"'{path}' line {number} is not JSON ({error})") from error


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
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"'{path}' is not the log of a run: {error}") from error
    ticks = 0
    for line in lines:
        if "tick" not in line:
            continue
        if line["tick"] != ticks:
            raise InputError(f"'{path}' lacks tick {ticks}, it cannot be decided anew")
        now = json.loads(json.dumps(output_line(controller.tick(read_input(line)))))
        if now != line["out"]:
            parts = [name for name in now if now[name] != line["out"].get(name)]
            return Replayed(ticks, f"tick {ticks} differs in {', '.join(parts)}")
        ticks += 1
    return Replayed(ticks, "")
