"""A server in a thread, and raw connections to it."""

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dist2_robot.deploy.inference import Inference
from dist2_robot.deploy.serving.access import Access
from dist2_robot.deploy.serving.addresses import Address
from dist2_robot.deploy.serving.channels import ServerLimits
from dist2_robot.deploy.serving.server import PolicyServer

QUICK = ServerLimits(max_message_bytes=100_000, handshake_s=0.2, read_s=0.2, write_s=0.5, stop_s=1.0)


@contextmanager
def serving(
    inference: Inference, address: Address, access: Access | None = None, limits: ServerLimits = QUICK
) -> Iterator[PolicyServer]:
    """Serve while the block runs."""
    server, ready = PolicyServer(inference, address, access, limits), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        await server.start()
        ready.set()
        await stop.wait()
        await server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)
        assert not thread.is_alive()
        loop.close()


def unix(folder: Path) -> Address:
    return Address("unix", path=str(folder / "private" / "policy"))


def web() -> Address:
    return Address("ws", host="127.0.0.1", port=0)


def raw(address: Address) -> socket.socket:
    """Return a bare connection."""
    if address.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(address.path)
    else:
        connection = socket.create_connection((address.host, address.port))
    connection.settimeout(5)
    return connection


def read_to_end(connection: socket.socket) -> bytes:
    """Return all that comes until the other side hangs up; fails where it does not within 5 s."""
    content = b""
    try:
        while data := connection.recv(65536):
            content += data
    except ConnectionResetError:
        pass
    return content


def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.002)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that signs itself, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=robot", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", *options, *names, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key
