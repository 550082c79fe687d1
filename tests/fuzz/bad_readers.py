"""Readers that do what no reader may, for the judge to be judged."""

import contextlib
import os
import pickle
import socket
import subprocess
import sys
import time
import urllib.request
from importlib import import_module
from pathlib import Path

import torch

from dist2_robot.errors import InputError
from tests.fuzz.bases import Bases
from tests.fuzz.hostile import SECRET, TRAP, payload
from tests.fuzz.readers import Kind


def runs_a_program(given: Path, bases: Bases) -> None:
    subprocess.run(["true"], check=False)


def runs_a_shell(given: Path, bases: Bases) -> None:
    os.system("true")


def imports_what_lies_there(given: Path, bases: Bases) -> None:
    import_module(TRAP)


def runs_what_lies_there(given: Path, bases: Bases) -> None:
    exec(compile(f"{TRAP} = 1; print({TRAP})", "<string>", "exec"))


def unpickles(given: Path, bases: Bases) -> None:
    with contextlib.suppress(Exception):
        pickle.loads(payload())


def asks_a_person(given: Path, bases: Bases) -> None:
    with contextlib.suppress(EOFError):
        input("run it? [y/N] ")


def reads_the_terminal(given: Path, bases: Bases) -> None:
    with contextlib.suppress(EOFError):
        sys.stdin.readline()


def goes_to_the_network(given: Path, bases: Bases) -> None:
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://example.com/", timeout=0.1)


def connects(given: Path, bases: Bases) -> None:
    with contextlib.suppress(OSError), socket.socket() as made:
        made.settimeout(0.1)
        made.connect(("192.0.2.1", 9))


def writes_outside(given: Path, bases: Bases) -> None:
    (given.parent / "outside" / "new.txt").write_text("x")


def fails(given: Path, bases: Bases) -> None:
    raise KeyError("step")


def allocates_numbers(given: Path, bases: Bases) -> None:
    bytearray(5 * 2**30)


def allocates_tensors(given: Path, bases: Bases) -> None:
    torch.zeros(2 * 2**30)


def refuses_for_lack_of_memory(given: Path, bases: Bases) -> None:
    try:
        torch.zeros(2 * 2**30)
    except RuntimeError as error:
        raise InputError(f"'{given}/ratings.json' is wrong: {error}") from error


def refuses_namelessly(given: Path, bases: Bases) -> None:
    raise InputError("it is wrong")


def refuses_with_what_lies_outside(given: Path, bases: Bases) -> None:
    raise InputError(f"'{given}/ratings.json' holds {SECRET}")


def prints_to_the_terminal(given: Path, bases: Bases) -> None:
    print("\x1b[31mred", file=sys.stderr)


def dies(given: Path, bases: Bases) -> None:
    os.abort()


def sleeps(given: Path, bases: Bases) -> None:
    time.sleep(600)


def turns(given: Path, bases: Bases) -> None:
    while True:
        pass


BAD = (
    *(runs_a_program, runs_a_shell, imports_what_lies_there, runs_what_lies_there, unpickles, asks_a_person),
    *(reads_the_terminal, goes_to_the_network, connects, writes_outside, fails, allocates_numbers, allocates_tensors),
    *(refuses_for_lack_of_memory, refuses_namelessly, refuses_with_what_lies_outside),
    *(prints_to_the_terminal, dies, sleeps, turns),
)
BAD_KINDS = {reader.__name__: Kind("plain", ("ratings.json",), (reader,)) for reader in BAD}
