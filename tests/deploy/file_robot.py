"""A program that owns a fake robot, which writes into a file what is asked of it."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dist2_robot.deploy.clock import MonotonicClock
from dist2_robot.deploy.robots.robot_host import run_robot_host
from dist2_robot.errors import InputError
from tests.deploy.fakes import FakeRobot


class FileRobot(FakeRobot):
    """Writes ``time method`` for each call."""

    def __init__(self, path: Path, **options: Any) -> None:
        self._path = path
        super().__init__(MonotonicClock(), **options)

    def _call(self, method: str) -> None:
        with self._path.open("a") as file:
            file.write(f"{time.monotonic()} {method}\n")
        super()._call(method)


def calls(path: Path) -> list[tuple[float, str]]:
    """Return time and method of all calls so far."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [(float(line.split()[0]), line.split()[1]) for line in lines]


def make(arguments: Mapping[str, Any]) -> FileRobot:
    """Return the robot that the arguments describe: path, options, failing."""
    if "path" not in arguments:
        raise InputError("the robot needs a path; give path=...")
    robot = FileRobot(Path(arguments["path"]), **arguments.get("options", {}))
    robot.failing = set(arguments.get("failing", []))
    return robot


if __name__ == "__main__":
    run_robot_host(make, int(sys.argv[1]))
