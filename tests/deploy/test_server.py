"""Who may ask a policy server, how, and what it tells. Faults S1, S5, S6 and S7."""

import asyncio
import contextlib
import json
import logging
import os
import pickle
import shutil
import socket
import ssl
import threading
import time
import tracemalloc
import urllib.error
import urllib.request
from dataclasses import replace

import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dist2_robot.deploy.serving.access import Access, bind_unix_socket, read_token, server_tls
from dist2_robot.deploy.serving.addresses import Address, parse_address
from dist2_robot.deploy.serving.client import PolicyClient, ServerError
from dist2_robot.deploy.serving.connections import open_connection, receive_message
from dist2_robot.deploy.serving.messages import request_message
from dist2_robot.deploy.serving.server import PolicyServer
from dist2_robot.deploy.wire import HEADER, frame, pack, unpack
from dist2_robot.errors import InputError
from tests.deploy.policies import STATE, FakeInference, features, request
from tests.deploy.serving import QUICK, certificate, raw, read_to_end, serving, unix, until, web

TOKEN = "a-token-of-good-length"
HELLO = frame(pack({"type": "hello", "version": 1}))
BY = pytest.mark.parametrize("by", ["unix", "web"])


def address_of(by, folder):
    return unix(folder) if by == "unix" else web()


def count(server, name):
    return server.service.metrics.counts[name]


def get(server, path, **headers):
    url = f"http://{server.address.host}:{server.address.port}{path}"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as response:
        return response.headers["Content-Type"], response.read().decode()


@BY
def test_a_client_gets_the_chunk_of_its_observation(tmp_path, by):
    inference = FakeInference()
    with serving(inference, address_of(by, tmp_path)) as server, PolicyClient(str(server.address)) as policy:
        assert policy.card["horizon"] == 3
        assert policy.card["spec"]["rate_hz"] == 20.0
        for value in (0.25, 0.75):
            found = policy.chunk(features(value), "Push.", prefix=[[1.0, 2.0]])
            assert found.actions.tolist() == [[value] * 2] * 3
            assert found.entropy.tolist() == [0.5] * 3
            assert found.expected_error.shape == (3, 2)
        policy.reset()
        assert policy.health()["state"] == "ready"
        assert inference.resets == 1
        assert "dist2_policy_requests_total 2" in policy.metrics()
        assert 'dist2_policy_inference_seconds_bucket{le="0.001"} 2' in policy.metrics()


@BY
def test_the_newest_request_wins(tmp_path, by):
    inference = FakeInference()
    inference.gate.clear()
    with serving(inference, address_of(by, tmp_path)) as server:
        connection, _ = open_connection(str(server.address))
        connection.send(pack(request_message(request(0, 0.0))))
        assert inference.begun.wait(5)
        for i in range(1, 6):
            connection.send(pack(request_message(request(i, float(i)))))
        until(lambda: count(server, "drops") == 4)
        inference.gate.set()
        answers = [receive_message(connection, 5.0)["sequence"] for _ in range(2)]
        connection.close()
    assert answers == [0, 5]
    assert inference.asked == [0.0, 5.0]


def test_each_client_gets_its_turn(tmp_path):
    with serving(FakeInference(), unix(tmp_path)) as server:
        clients = [PolicyClient(str(server.address)) for _ in range(3)]
        for value, client in enumerate(clients):
            assert client.chunk(features(value)).actions[0, 0] == value
        for client in clients:
            client.close()


@BY
@pytest.mark.fault("S7")
def test_a_failing_policy_gives_an_opaque_id_and_the_log_the_reason(tmp_path, by, caplog):
    inference = FakeInference()
    inference.error = RuntimeError("secret path /home/me")
    with serving(inference, address_of(by, tmp_path)) as server, PolicyClient(str(server.address)) as policy:
        with caplog.at_level(logging.ERROR), pytest.raises(ServerError, match="error id") as caught:
            policy.chunk(features())
        assert "secret" not in str(caught.value)
        assert "Traceback" not in str(caught.value)
        error_id = str(caught.value).rpartition(" ")[2].rstrip(")")
        assert error_id in caplog.text
        assert "secret path" in caplog.text
        inference.error = None
        assert policy.chunk(features()).actions.shape == (3, 2)  # the connection stays


@pytest.mark.fault("D1")
def test_a_refused_request_is_told_what_is_wrong_with_it(tmp_path):
    inference = FakeInference()
    with serving(inference, unix(tmp_path)) as server, PolicyClient(str(server.address)) as policy:
        with pytest.raises(ServerError, match=rf"'{STATE}' holds a number that is not finite"):
            policy.chunk(features(np.nan))
        assert inference.asked == []
        assert policy.chunk(features()).actions.shape == (3, 2)


@BY
@pytest.mark.fault("S5")
@pytest.mark.parametrize("token", [None, "wrong", TOKEN[:-1], TOKEN + "x", "ü"])
def test_without_the_token_nothing_is_read(tmp_path, by, token, monkeypatch):
    monkeypatch.setattr("dist2_robot.deploy.serving.service.unpack", lambda *_: pytest.fail("a message was read"))
    with serving(FakeInference(), address_of(by, tmp_path), Access(TOKEN)) as server:
        with pytest.raises(ServerError):
            PolicyClient(str(server.address), token=token)
        until(lambda: token == "ü" or count(server, "refused_connections") == 1)
        assert count(server, "connections") == 0


@BY
@pytest.mark.fault("S5")
def test_with_the_token_one_may_ask(tmp_path, by):
    access = Access(TOKEN)
    with (
        serving(FakeInference(), address_of(by, tmp_path), access) as server,
        PolicyClient(str(server.address), token=TOKEN) as policy,
    ):
        assert policy.chunk(features()).actions.shape == (3, 2)


@pytest.mark.fault("S5")
@pytest.mark.parametrize("header", ["", "Bearer", f"Basic {TOKEN}", f"bearer {TOKEN}x", "Bearer \xff\xfe"])
def test_an_http_request_without_the_token_is_refused(header):
    with serving(FakeInference(), web(), Access(TOKEN)) as server:
        for path in ("/", "/health", "/metrics"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                get(server, path, Authorization=header)
        assert json.loads(get(server, "/health", Authorization=f"Bearer {TOKEN}")[1])["state"] == "ready"


def test_health_and_metrics_are_there_for_tools():
    with serving(FakeInference(), web()) as server:
        kind, text = get(server, "/health")
        assert kind == "application/json"
        assert json.loads(text)["digest"] == "0" * 64
        assert "dist2_policy_drops_total 0" in get(server, "/metrics")[1]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(server, "/other")


@pytest.mark.fault("S5")
def test_a_page_in_a_browser_may_not_connect():
    with serving(FakeInference(), web()) as server:
        connection = raw(server.address)
        connection.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: http://evil.example\r\n\r\n"
        )
        assert read_to_end(connection).startswith(b"HTTP/1.1 403")
        assert count(server, "connections") == 0


BROKEN = {
    "nothing": b"",
    "half a length": b"\0\0",
    "half a token": HEADER.pack(10) + b"abc",
    "a token too long": HEADER.pack(5000),
    "a huge frame": frame(b"") + HEADER.pack(2**32 - 1),
    "a frame beyond the limit": frame(b"") + HEADER.pack(QUICK.max_message_bytes + 1),
    "half a hello": frame(b"") + HELLO[:-1],
    "half a request": frame(b"") + HELLO + HEADER.pack(1000) + b"x" * 500,
    "no hello": frame(b"") + frame(pack(request_message(request()))),
    "two hellos": frame(b"") + HELLO + HELLO,
    "another version": frame(b"") + frame(pack({"type": "hello", "version": 2})),
    "a pickle": frame(b"") + frame(pickle.dumps({"type": "hello"})),
    "an unknown type": frame(b"") + HELLO + frame(pack({"type": "shutdown"})),
    "a card": frame(b"") + HELLO + frame(pack({"type": "card"})),
}


@pytest.mark.fault("S5")
@pytest.mark.parametrize("name", BROKEN)
def test_slow_truncated_and_wrong_frames_are_closed(tmp_path, name):
    with serving(FakeInference(), unix(tmp_path)) as server:
        connection = raw(server.address)
        connection.sendall(BROKEN[name])
        read_to_end(connection)
        assert count(server, "refused_connections") == 1
        with PolicyClient(str(server.address)) as policy:  # others are served
            assert policy.chunk(features()).actions.shape == (3, 2)


@pytest.mark.fault("S5")
def test_a_client_that_trickles_is_closed(tmp_path):
    with serving(FakeInference(), unix(tmp_path)) as server:
        connection = raw(server.address)
        connection.sendall(frame(b"") + HELLO + HEADER.pack(50_000))
        begin = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < begin + 5:
                connection.sendall(b"x")
                time.sleep(0.02)
        assert time.monotonic() - begin < 2


def upgraded(server):
    connection = raw(server.address)
    connection.sendall(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    while b"\r\n\r\n" not in connection.recv(4096):
        pass
    return connection


def masked(payload, first=0x82, declared=None):
    """Return a websocket frame: masked with zeros, as all from clients."""
    return bytes([first, 0x80 | 127]) + (declared or len(payload)).to_bytes(8, "big") + bytes(4) + payload


BROKEN_WEB = {
    "nothing": b"",
    "a huge frame": masked(b"x", declared=2**40),
    "a frame beyond the limit": masked(b"x", declared=QUICK.max_message_bytes + 1),
    "half a hello": masked(HELLO[4:])[:-1],
    "half a request": masked(HELLO[4:]) + masked(b"x" * 500, declared=1000),
    "a fragment and no more": masked(HELLO[4:]) + masked(b"x" * 500, first=0x02),
    "a pickle": masked(pickle.dumps({"type": "hello"})),
    "a text": masked(b"hello", first=0x81),
}


@pytest.mark.fault("S5")
@pytest.mark.parametrize("name", BROKEN_WEB)
def test_slow_truncated_and_wrong_websocket_frames_are_closed(name):
    with serving(FakeInference(), web()) as server:
        connection = upgraded(server)
        connection.sendall(BROKEN_WEB[name])
        read_to_end(connection)
        with PolicyClient(str(server.address)) as policy:
            assert policy.chunk(features()).actions.shape == (3, 2)


@pytest.mark.fault("S5")
def test_fragments_add_up_to_the_limit():
    with serving(FakeInference(), web()) as server:
        connection = upgraded(server)
        connection.sendall(masked(HELLO[4:]))
        with contextlib.suppress(OSError):
            connection.sendall(masked(b"x" * 60_000, first=0x02) + masked(b"x" * 60_000, first=0x80))
        read_to_end(connection)
        until(lambda: not server.service._sessions)


@pytest.mark.fault("S5")
def test_a_slow_handshake_is_closed():
    with serving(FakeInference(), web()) as server:
        connection = raw(server.address)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        begin = time.monotonic()
        read_to_end(connection)
        assert time.monotonic() - begin < 2


@pytest.mark.fault("S5")
def test_a_huge_declared_shape_takes_no_memory(tmp_path):
    array = msgpack.ExtType(1, msgpack.packb(["float32", [65535, 65535], bytes(8)]))
    huge = msgpack.packb(request_message(request()) | {"features": {STATE: array}, "prefix": None})
    with serving(FakeInference(), unix(tmp_path)) as server:
        connection = raw(server.address)
        connection.sendall(frame(b"") + HELLO)
        tracemalloc.start()
        connection.sendall(frame(huge))
        content = read_to_end(connection)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert b"error" in content
    assert peak < 2**20


@pytest.mark.fault("S5")
def test_a_client_that_never_reads_is_closed(tmp_path):
    inference = FakeInference()
    inference.card = replace(inference.card, checkpoint="x" * 4000)
    with serving(inference, unix(tmp_path)) as server:
        connection = raw(server.address)
        connection.sendall(frame(b"") + HELLO)
        asking = frame(pack({"type": "metrics"}))
        with contextlib.suppress(OSError):
            for _ in range(100_000):
                connection.sendall(asking)
        until(lambda: not server.service._sessions)


@BY
@pytest.mark.fault("S5")
def test_there_are_only_so_many_connections(tmp_path, by):
    limits = replace(QUICK, max_connections=2)
    with serving(FakeInference(), address_of(by, tmp_path), limits=limits) as server:
        first, second = (PolicyClient(str(server.address)) for _ in range(2))
        with pytest.raises(ServerError, match="too many connections"):
            PolicyClient(str(server.address))
        first.close()
        until(lambda: not server.service.is_full)
        PolicyClient(str(server.address)).close()
        second.close()


@BY
@pytest.mark.fault("A14")
def test_a_silent_client_loses_its_place_to_another_and_connects_again(tmp_path, by):
    limits = replace(QUICK, max_connections=1, idle_s=0.0)
    with serving(FakeInference(), address_of(by, tmp_path), limits=limits) as server:
        silent = PolicyClient(str(server.address))
        with PolicyClient(str(server.address)) as other:
            assert other.chunk(features(0.5)).actions[0, 0] == 0.5
            assert len(server.service._sessions) == 1
        assert silent.chunk(features(0.25)).actions[0, 0] == 0.25
        silent.close()


@BY
@pytest.mark.fault("A14")
def test_a_client_that_waits_for_its_answer_is_not_silent(tmp_path, by):
    inference = FakeInference()
    inference.gate.clear()
    limits = replace(QUICK, max_connections=1, idle_s=0.0)
    with serving(inference, address_of(by, tmp_path), limits=limits) as server:
        connection, _ = open_connection(str(server.address))
        connection.send(pack(request_message(request())))
        assert inference.begun.wait(5)
        with pytest.raises(ServerError, match="too many connections"):
            PolicyClient(str(server.address))
        inference.gate.set()
        assert receive_message(connection, 5.0)["type"] == "chunk"
        connection.close()


@pytest.mark.fault("A14")
def test_a_refusal_before_the_token_is_told(tmp_path):
    """A server that is full says so and hangs up; the token that comes after that is nobody's mistake."""
    path = tmp_path / "socket"
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listening:
        listening.bind(str(path))
        listening.listen()

        def refuse():
            accepted, _ = listening.accept()
            accepted.sendall(frame(pack({"type": "error", "sequence": None, "id": "", "text": "full"})))
            accepted.close()

        refusing = threading.Thread(target=refuse)
        connect = socket.socket.connect

        def slow_connect(self, address):
            connect(self, address)
            refusing.join(5)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket.socket, "connect", slow_connect)
            refusing.start()
            with pytest.raises(ServerError, match="refused: full"):
                open_connection(f"unix:{path}")


@pytest.mark.fault("A14")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_key_that_others_may_read_is_refused(tmp_path, mode):
    for name in ("cert", "key"):
        (tmp_path / name).write_text("")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(InputError, match=r"tls\.key '.*key' may be read by others: chmod 600"):
        server_tls(tmp_path / "cert", tmp_path / "key")


@pytest.mark.fault("A8")
def test_a_pipe_is_no_token_and_no_key(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for read in (lambda: read_token(pipe), lambda: server_tls(pipe, pipe)):
        with pytest.raises(InputError, match="no regular file"):
            read()


class Payload:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (open, (str(self.trace), "w"))


@BY
@pytest.mark.fault("S1")
def test_a_pickle_on_a_socket_is_never_run(tmp_path, by):
    trace = tmp_path / "trace"
    bomb = pickle.dumps(Payload(trace))
    with serving(FakeInference(), address_of(by, tmp_path)) as server:
        connection, _ = open_connection(str(server.address))
        connection.send(bomb)
        assert receive_message(connection, 5.0)["type"] == "error"
        with pytest.raises(ServerError):
            receive_message(connection, 5.0)
        connection, _ = open_connection(str(server.address))
        connection.send(pack(request_message(request()) | {"task": bomb}))
        assert receive_message(connection, 5.0)["type"] == "error"
    assert not trace.exists()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    with serving(FakeInference(), unix(tmp_path_factory.mktemp("fuzz"))) as server:
        yield server


@pytest.mark.fault("S5")
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), after=st.sampled_from([b"", frame(b""), frame(b"") + HELLO]), framed=st.booleans())
def test_random_bytes_never_end_the_server(fuzzed, data, after, framed):
    connection = raw(fuzzed.address)
    connection.sendall(after + (frame(data) if framed else data))
    connection.shutdown(1)
    read_to_end(connection)
    with PolicyClient(str(fuzzed.address)) as policy:
        assert policy.chunk(features()).actions.shape == (3, 2)


@pytest.mark.fault("S6")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "robot.local", "example.com"])
def test_beyond_this_machine_only_with_token_and_tls(host):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for scheme, access in (
        ("ws", Access()),
        ("ws", Access(TOKEN)),
        ("wss", Access(None, tls)),
        ("ws", Access(TOKEN, tls)),
    ):
        with pytest.raises(InputError, match=r"^address=[^\n]+$"):
            PolicyServer(FakeInference(), Address(scheme, host=host, port=8765), access)
    PolicyServer(FakeInference(), Address("wss", host=host, port=8765), Access(TOKEN, tls))


@pytest.mark.fault("S6")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
def test_the_network_is_served_with_token_and_tls(tmp_path):
    cert, key = certificate(tmp_path)
    with serving(FakeInference(), Address("wss", host="127.0.0.1"), Access(TOKEN, server_tls(cert, key))) as server:
        with PolicyClient(str(server.address), token=TOKEN, ca=cert) as policy:
            assert policy.chunk(features()).actions.shape == (3, 2)
        with pytest.raises(ServerError, match="certificate"):
            PolicyClient(str(server.address), token=TOKEN)
        with pytest.raises(ServerError, match="401"):
            PolicyClient(str(server.address), token="another-token-of-length", ca=cert)
        with pytest.raises(ServerError):
            PolicyClient(str(server.address).replace("wss", "ws"), token=TOKEN)


@pytest.mark.fault("S6")
def test_a_client_sends_no_token_for_all_to_read():
    with pytest.raises(ServerError, match="use wss://"):
        PolicyClient("ws://192.0.2.1:8765", token=TOKEN, timeout_s=0.1)


def test_tls_needs_both_files_and_good_ones(tmp_path):
    (tmp_path / "x").write_text("no certificate")
    (tmp_path / "x").chmod(0o600)
    with pytest.raises(InputError, match="both or neither"):
        server_tls(tmp_path / "x", None)
    with pytest.raises(InputError, match="cannot be used"):
        server_tls(tmp_path / "x", tmp_path / "x")
    assert server_tls(None, None) is None


@pytest.mark.fault("S5")
def test_a_token_comes_from_a_private_file_or_the_environment(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o644)
    with pytest.raises(InputError, match="may be read by others"):
        read_token(file)
    file.chmod(0o600)
    assert read_token(file, {"DIST2_TOKEN": "x" * 20}) == TOKEN
    assert read_token(None, {"DIST2_TOKEN": "x" * 20}) == "x" * 20
    assert read_token(None, {}) is None
    for bad in ("", "short", "with a space in it", "x" * 5000, "é" * 20):
        file.write_text(bad)
        with pytest.raises(InputError, match=r"^[^\n]+$"):
            read_token(file)
    with pytest.raises(InputError, match="cannot be read"):
        read_token(tmp_path / "none")


@pytest.mark.fault("S5")
def test_a_socket_lies_where_nobody_else_comes(tmp_path):
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(InputError, match="others can enter"):
        bind_unix_socket(tmp_path / "open" / "socket")
    path = tmp_path / "private" / "socket"
    first = bind_unix_socket(path)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError, match="another server listens"):
        bind_unix_socket(path)
    first.close()
    bind_unix_socket(path).close()  # what a killed server left
    path.unlink()
    path.write_text("mine")
    with pytest.raises(InputError, match="is no socket"):
        bind_unix_socket(path)
    assert path.read_text() == "mine"


def test_a_port_in_use_is_the_users_to_mend():
    with serving(FakeInference(), web()) as server:
        second = PolicyServer(FakeInference(), server.address)
        with pytest.raises(InputError, match="cannot be served"):
            asyncio.run(second.start())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unix:",
        "unix:relative",
        f"unix:/{'x' * 200}",
        "ws://",
        "ws://host",
        "http://host:1",
        "ws://h:1/x",
        "ws://h:x",
    ],
)
def test_what_is_no_address_is_said_in_a_line(text):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        parse_address(text)


@pytest.mark.parametrize("text", ["unix:/a/b", "ws://127.0.0.1:8765", "wss://[::1]:1", "ws://robot.local:80"])
def test_an_address_reads_as_it_is_written(text):
    assert str(parse_address(text)) == text
    assert parse_address(text).is_local == ("robot" not in text)


@BY
def test_a_server_that_is_told_to_stop_finishes_its_answer(tmp_path, by):
    inference = FakeInference()
    inference.gate.clear()
    answers = []
    with serving(inference, address_of(by, tmp_path)) as server:
        connection, _ = open_connection(str(server.address))
        connection.send(pack(request_message(request(9))))
        assert inference.begun.wait(5)
        threading.Timer(0.1, inference.gate.set).start()
    while (message := receive_message(connection, 5.0))["type"] != "bye":
        answers.append(message["sequence"])
    assert answers == [9]
    if by == "unix":
        assert not list((tmp_path / "private").iterdir())


def test_an_answer_of_another_request_is_passed_over(tmp_path):
    """D6, as far as the server goes: what comes back has the sequence and the time of what was asked."""
    with serving(FakeInference(), unix(tmp_path)) as server:
        connection, _ = open_connection(str(server.address))
        for sequence, observed_s in ((5, 2.0), (5, 2.0), (3, 7.0)):
            connection.send(pack(request_message(request(sequence, observed_s=observed_s))))
            message = unpack(connection.receive(5.0))
            assert (message["sequence"], message["observed_s"]) == (sequence, observed_s)
        connection.close()
