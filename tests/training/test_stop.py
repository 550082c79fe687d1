"""SIGTERM asks once, and ends at the second time."""

import os
import signal
import subprocess
import sys

import pytest

from dist2_robot.training.stop import on_sigterm


@pytest.mark.fault("R6")
def test_it_is_told_and_the_old_handler_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with on_sigterm() as is_stopped:
        assert not is_stopped()
        os.kill(os.getpid(), signal.SIGTERM)
        assert is_stopped()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.fault("R6")
def test_the_second_one_is_immediate():
    code = (
        "import os, signal, time\n"
        "from dist2_robot.training.stop import on_sigterm\n"
        "with on_sigterm() as is_stopped:\n"
        "    os.kill(os.getpid(), signal.SIGTERM); print(is_stopped(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM); time.sleep(5); print('still here')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "True\n")
