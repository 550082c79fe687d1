"""The loop's end: nothing waits, what is gone is told at once, answers keep the number of their request."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dist2_robot.deploy.link import ChunkRequest, LinkError
from dist2_robot.deploy.serving.in_process_link import InProcessLink
from dist2_robot.deploy.serving.policy_process import PolicyProcess
from dist2_robot.deploy.serving.socket_link import SocketLink
from dist2_robot.deploy.wire import HEADER
from tests.checkpoints.saved import observation, save
from tests.deploy.fakes import FakeClock
from tests.deploy.policies import FakeInference, card, request
from tests.deploy.serving import serving, unix, until, web

BY = pytest.mark.parametrize("by", ["unix", "web"])


def address_of(by, folder):
    return unix(folder) if by == "unix" else web()


def answer(link, seconds=5.0):
    found = []
    until(lambda: found.append(link.poll()) or found[-1] is not None, seconds)
    return found[-1]


@BY
def test_requests_are_answered_with_their_number_and_time(tmp_path, by):
    with serving(FakeInference(), address_of(by, tmp_path)) as server:
        link = SocketLink(str(server.address))
        assert link.card == card()
        for sequence in (0, 1, 7):
            link.request(request(sequence, sequence, observed_s=sequence / 2))
            found = answer(link)
            assert (found.sequence, found.observed_s) == (sequence, sequence / 2)
            assert found.actions.tolist() == [[sequence] * 2] * 3
            assert found.inference_s == 0.001
        assert link.poll() is None
        link.close()


@BY
@pytest.mark.fault("D5")
def test_nothing_waits_while_the_policy_hangs(tmp_path, by):
    inference = FakeInference()
    inference.gate.clear()
    with serving(inference, address_of(by, tmp_path)) as server:
        link = SocketLink(str(server.address))
        link.request(request(0))
        assert inference.begun.wait(5)
        begin = time.monotonic()
        for i in range(1, 51):
            link.request(request(i))
            assert link.poll() is None
        assert time.monotonic() - begin < 1.0
        until(lambda: server.service.metrics.counts["drops"] + link.dropped == 49)
        inference.gate.set()
        assert [answer(link).sequence, answer(link).sequence] == [0, 50]
        link.close()


@pytest.mark.fault("D5")
def test_nothing_waits_while_the_server_does_not_read(tmp_path):
    """Its process is suspended, say: the newest request waits, older ones are dropped, memory does not grow."""
    with serving(FakeInference(), unix(tmp_path)) as server:
        link = SocketLink(str(server.address))
        held, is_held = threading.Event(), threading.Event()
        (session,) = server.service._sessions
        loop = session.channel._writer.transport._loop
        loop.call_soon_threadsafe(lambda: is_held.set() or held.wait(10))
        assert is_held.wait(5)
        begin = time.monotonic()
        for i in range(300):
            link.request(request(i))
            assert link.poll() is None
        assert time.monotonic() - begin < 2.0
        assert link.dropped > 0
        assert link._outbox._connection.pending < 100_000
        held.set()
        until(lambda: (found := link.poll()) is not None and found.sequence == 299)
        link.close()


@BY
@pytest.mark.fault("D8")
def test_a_server_that_is_gone_is_told_at_once(tmp_path, by):
    with serving(FakeInference(), address_of(by, tmp_path)) as server:
        link = SocketLink(str(server.address))
    with pytest.raises(LinkError, match=r"stops|hung up"):
        until(lambda: link.poll() is not None)

    def ask():
        link.request(request())

    with pytest.raises(LinkError):  # a websocket's thread is told a moment later
        until(ask)


@pytest.mark.fault("D1")
def test_a_refused_request_is_an_error_of_the_link_that_names_it(tmp_path):
    with serving(FakeInference(), unix(tmp_path)) as server:
        link = SocketLink(str(server.address))
        link.request(request(4, np.nan))
        with pytest.raises(LinkError, match=r"request 4: .*not finite"):
            answer(link)
        link.request(request(5))
        assert answer(link).sequence == 5
        link.close()


def test_there_is_no_link_without_a_server(tmp_path):
    with pytest.raises(LinkError, match="no server answers"):
        SocketLink(f"unix:{tmp_path / 'none'}")
    with pytest.raises(LinkError, match="no server answers"):
        SocketLink("ws://127.0.0.1:9")


def test_a_server_that_breaks_the_protocol_is_told(tmp_path):
    path = tmp_path / "socket"
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen()

    def answer_nonsense():
        connection, _ = listening.accept()
        connection.sendall(HEADER.pack(3) + b"abc")
        connection.recv(1000)

    threading.Thread(target=answer_nonsense, daemon=True).start()
    with pytest.raises(LinkError, match="broke the protocol"):
        SocketLink(f"unix:{path}", timeout_s=2.0)
    listening.close()


def test_in_process_answers_come_when_the_clock_says():
    clock, inference = FakeClock(), FakeInference()
    link = InProcessLink(inference, clock, latency_s=0.2)
    link.request(request(0))
    clock.advance(0.1)
    link.request(request(1))
    assert link.poll() is None
    clock.advance(0.1)
    assert link.poll().sequence == 0
    assert link.poll() is None
    clock.advance(0.1)
    assert link.poll().sequence == 1
    link.close()
    with pytest.raises(LinkError, match="closed"):
        link.poll()


@pytest.mark.fault("D6")
def test_in_process_answers_may_overtake_each_other():
    clock, late = FakeClock(), {0: 0.3, 1: 0.1}
    link = InProcessLink(FakeInference(), clock, latency_s=lambda asked: late[asked.sequence])
    link.request(request(0))
    link.request(request(1))
    clock.advance(0.4)
    found = [link.poll(), link.poll(), link.poll()]
    assert [x and (x.sequence, x.inference_s) for x in found] == [(1, 0.1), (0, 0.3), None]


@pytest.mark.fault("D1")
def test_in_process_errors_come_when_the_answer_would():
    clock = FakeClock()
    link = InProcessLink(FakeInference(), clock, latency_s=0.2)
    link.request(request(0, np.nan))
    assert link.poll() is None
    clock.advance(0.3)
    with pytest.raises(LinkError, match=r"request 0: .*not finite"):
        link.poll()


def test_the_client_needs_no_torch(tmp_path):
    """It runs in programs that have numpy, msgpack and websockets alone."""
    code = (
        "import json, sys; from dist2_robot.deploy.serving.client import PolicyClient; import numpy as np\n"
        "policy = PolicyClient(sys.argv[1])\n"
        "seen = {'observation.state': [0.25, 0.25], 'observation.images.front': np.zeros((4, 6, 3), np.uint8)}\n"
        "print(json.dumps([policy.chunk(seen).actions.tolist(), list(sys.modules)]))"
    )
    with serving(FakeInference(), unix(tmp_path)) as server:
        command = [sys.executable, "-c", code, str(server.address)]
        root = Path(__file__).parents[2]
        result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60)
    actions, loaded = json.loads(result.stdout)
    assert actions == [[0.25, 0.25]] * 3
    assert not {"torch", "lerobot", "hydra", "mujoco", "wandb", "safetensors", "gymnasium"} & set(loaded)


@pytest.mark.slow
@pytest.mark.fault("D8")
def test_a_killed_policy_process_is_told_at_once_with_how_it_ended(tmp_path):
    waited = []
    process = PolicyProcess(save(tmp_path, 1), on_wait=waited.append)
    seen = {name: x[0].numpy() for name, x in observation().features.items()}
    process.request(ChunkRequest(3, 1.0, seen, np.zeros((0, 3), np.float32)))
    assert answer(process).actions.shape == (3, len(process.card.spec))
    assert waited
    os.kill(process.process_id, signal.SIGKILL)
    begin = time.monotonic()
    with pytest.raises(LinkError):
        answer(process)
    assert time.monotonic() - begin < 0.5
    process._process.wait(5)  # on a busy machine its socket is closed well before
    for asking in (process.poll, lambda: process.request(request())):
        with pytest.raises(LinkError, match=r"the policy process was killed \(SIGKILL\)"):
            asking()
    process.close()


@pytest.mark.slow
def test_a_policy_process_that_cannot_begin_says_why(tmp_path):
    with pytest.raises(LinkError, match=r"ended with code 2; the last it said: .*does not exist"):
        PolicyProcess(tmp_path / "none")


@pytest.mark.slow
def test_a_policy_process_ends_with_its_parent(tmp_path):
    """Also where the parent is killed and can say nothing."""
    folder = save(tmp_path, 1)
    code = (
        "import sys, time; from dist2_robot.deploy.serving.policy_process import PolicyProcess\n"
        f"process = PolicyProcess({str(folder)!r}); print(process.process_id, flush=True); time.sleep(100)"
    )
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert Path(f"/proc/{child}").exists()
    parent.kill()
    parent.wait()

    def is_gone():
        stat = Path(f"/proc/{child}/stat")
        try:
            return stat.read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    until(is_gone, 10)
