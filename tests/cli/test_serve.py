import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dist2_robot.deploy.serving.client import PolicyClient
from tests.checkpoints.saved import observation, save

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.fault("S6")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["address=ws://0.0.0.0:8765"], "can be reached from other machines"),
        (["address=http://127.0.0.1:1"], "is no address"),
        (["address=ws://127.0.0.1:0", "tls.cert=a"], "both or neither"),
        (["address=ws://127.0.0.1:0", "token_file=none"], "cannot be read"),
        (["address=ws://127.0.0.1:0", "form=oxxn"], "there is no form 'oxxn'"),
        (["address=ws://127.0.0.1:0", "threads=0"], "threads must be at least 1"),
        (["address=ws://127.0.0.1:0"], "does not exist"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_line(command, options, said):
    outcome = command("dist2-serve", "checkpoint=run", *options)
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.fault("S9")
@pytest.mark.parametrize("name", ["org/name", "hub:org/name", "hub:org/name@main", f"hub:org/name@{COMMIT[:-1]}"])
def test_a_hub_checkpoint_without_a_commit_is_refused(command, name):
    outcome = command("dist2-serve", f"checkpoint='{name}'", "address=ws://127.0.0.1:0")
    assert outcome.code == 2
    assert "commit" in outcome.err


@pytest.mark.slow
def test_a_served_policy_answers_until_it_is_told_to_stop(tmp_path):
    path = tmp_path / "private" / "policy"
    command = [sys.executable, "-m", "dist2_robot.cli.serve", f"checkpoint={save(tmp_path, 1)}", f"address=unix:{path}"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], env=os.environ)
    assert server.stdout.readline().startswith("policy: ")
    assert server.stdout.readline() == f"serving at unix:{path}\n"
    seen = {name: x[0].numpy() for name, x in observation().features.items()}
    with PolicyClient(f"unix:{path}") as policy:
        assert policy.chunk(seen).actions.shape == (3, len(policy.card["spec"]["dimensions"]))
    begin = time.monotonic()
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 128 + signal.SIGTERM
    assert time.monotonic() - begin < 10
    assert not path.exists()
