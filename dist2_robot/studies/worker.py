"""A process that does one unit of work after the other and says nothing but to their logs."""

import os
import signal
import sys
import threading
import traceback
from io import TextIOWrapper
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.rollouts.process import leave_interrupts_to_parent
from dist2_robot.studies.job import Execute, Unit
from dist2_robot.studies.record import LOG_FILE, Failure, write_record

STOPPED = 143


def serve(connection: Connection) -> None:
    """Do what comes through the connection until it closes, and answer with a `Failure` or None for each.

    An order comes in two parts: where to write a log, and what to do. To read the second may import seconds' worth of
    modules, which is done once.
    """
    leave_interrupts_to_parent()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))  # so that what is open is closed
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # logs are read while they are written
    while True:
        try:
            log: Path = connection.recv()
            _write_to(log)
            execute, unit, output = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(_carry_out(execute, unit, output))


def log_file(output: Path, unit: Unit) -> Path:
    """Return where a unit's output goes."""
    return output / unit.name / LOG_FILE


def _carry_out(execute: Execute, unit: Any, output: Path) -> Failure | None:
    try:
        write_record(output, unit, execute(unit, output))
    except Exception as error:
        traceback.print_exc()
        is_refused = isinstance(error, InputError)
        message = " ".join(str(error).split())
        return Failure(message if is_refused else f"{type(error).__name__}: {message}", is_refused)
    return None


def _write_to(log: Path) -> None:
    """Send all that is printed here, by whatever library, to a new file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
