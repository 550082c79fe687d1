"""A command whose output nobody reads any more ends as a shell expects, without a word."""

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from dist2_robot.cli.closed_pipe import EXIT_CODE

COMMANDS = sorted(entry.value for entry in entry_points(group="console_scripts") if entry.name.startswith("dist2-"))
# A command without the seconds that its own imports take.
SPEAKS = """
import sys
from dist2_robot.cli.app import run_command
sys.stdin.read(1)  # until the reader has gone
run_command("dist2-report", "report", "Words.", {task})
"""


def run_unread(program: str, *arguments: str, stream: str = "stdout") -> tuple[int, str]:
    """Run a program with a stream that is closed at its other end; return exit code and what the other stream says."""
    reading, writing = os.pipe()
    os.close(reading)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writing}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, input="", text=True, timeout=300, env=environment, check=False, **streams)
    os.close(writing)
    return done.returncode, (done.stderr if stream == "stdout" else done.stdout)


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        ("None", ["--help"]),
        ("None", ["--cfg", "job"]),
        ("lambda config: print('a word')", []),
        ("lambda config: [print('word', flush=True) for _ in range(9)] and None", []),
    ],
)
def test_a_command_ends_quietly(task, arguments):
    assert run_unread(SPEAKS.format(task=task), *arguments) == (EXIT_CODE, "")


def test_a_command_whose_errors_nobody_reads_ends_quietly():
    assert run_unread(SPEAKS.format(task="None"), "nothing=1", stream="stderr") == (EXIT_CODE, "")


def test_a_pipe_of_another_kind_that_breaks_is_a_failure():
    program = SPEAKS.format(task="broken").replace(
        "run_command(", "def broken(_): raise BrokenPipeError(32, 'Gone')\nrun_command("
    )
    done = subprocess.run([sys.executable, "-c", program], input="", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "dist2-report: [Errno 32] Gone\n")


@pytest.mark.slow
@pytest.mark.parametrize("entry", COMMANDS)
def test_the_help_of_every_command_ends_quietly(entry):
    module, _, function = entry.partition(":")
    assert run_unread(f"from {module} import {function}; {function}()", "--help") == (EXIT_CODE, "")
