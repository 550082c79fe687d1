"""What a unit of work left behind: ``job.json`` once it is done, ``failure.json`` if it failed last."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.json_file import read_json, write_json
from dist2_robot.studies.job import Unit

RECORD_FILE = "job.json"
FAILURE_FILE = "failure.json"
LOG_FILE = "log.txt"


@dataclass(frozen=True)
class Failure:
    """Attributes:
    error: One line.
    is_refused: Whether it was the wrong input, refused before anything was done.
    """

    error: str
    is_refused: bool = False


def read_record(output: Path, unit: Unit) -> dict[str, Any] | None:
    """Return what a finished unit found, or None if it is not finished.

    Raises:
        InputError: It was finished with other settings, or its record cannot be read.
    """
    path = output / unit.name / RECORD_FILE
    content = _read(path)
    if content is None:
        return None
    was, now = content.get("job"), json.loads(json.dumps(unit.describe()))
    if was != now:
        differing = [key for key in now if not isinstance(was, dict) or was.get(key) != now[key]]
        raise InputError(
            f"'{path.parent}' was done with other settings ({', '.join(differing)} differ): give the old ones, or "
            "another output=, or delete it"
        )
    return content["found"]


def write_record(output: Path, unit: Unit, found: Mapping[str, Any]) -> None:
    """Declare a unit finished, at once or not at all."""
    write_json(output / unit.name / RECORD_FILE, {"job": unit.describe(), "found": found})
    (output / unit.name / FAILURE_FILE).unlink(missing_ok=True)


def read_failure(output: Path, unit: Unit) -> Failure | None:
    """Return how a unit failed last, or None if it did not."""
    content = _read(output / unit.name / FAILURE_FILE)
    return None if content is None else Failure(**content)


def write_failure(output: Path, unit: Unit, failure: Failure) -> None:
    """Declare that a unit failed."""
    write_json(output / unit.name / FAILURE_FILE, vars(failure))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(f"'{path}' is not valid JSON ({error}): delete it, and the work is done again") from error
    if not isinstance(content, dict):
        raise InputError(f"'{path}' must hold a JSON object: delete it, and the work is done again")
    return content
