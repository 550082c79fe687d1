"""A policy behind a Unix socket or a websocket.

Who connects must first show the token, if there is one: on a websocket in the header ``Authorization: Bearer ...``, on
a Unix socket as the first frame (empty without a token). It is compared before any message is read. The websocket's
port also answers ``/health`` and ``/metrics``.
"""

import asyncio
import hmac
import http
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import MultipleValuesError
from websockets.http11 import Request, Response

from dist2_robot.deploy.inference import Inference
from dist2_robot.deploy.serving.access import Access, bind_unix_socket, check_access
from dist2_robot.deploy.serving.addresses import Address
from dist2_robot.deploy.serving.channels import (
    ChannelClosedError,
    ChannelFaultError,
    ServerLimits,
    StreamChannel,
    WebSocketChannel,
)
from dist2_robot.deploy.serving.messages import error_message
from dist2_robot.deploy.serving.schema import MAX_TOKEN_BYTES
from dist2_robot.deploy.serving.service import PolicyService
from dist2_robot.deploy.wire import pack
from dist2_robot.errors import InputError

logger = logging.getLogger(__name__)


class PolicyServer:
    """Serves a policy at an address, between `start` and `close`.

    Args:
        inference: The policy.
        address: Where.
        access: Who may connect.
        limits: Of sizes and times.

    Raises:
        InputError: The address must not be served like this; see `check_access`.
    """

    def __init__(
        self, inference: Inference, address: Address, access: Access | None = None, limits: ServerLimits | None = None
    ) -> None:
        self._access, self._limits = access or Access(), limits or ServerLimits()
        check_access(address, self._access)
        self.address = address
        self.service = PolicyService(inference, self._limits)
        self._open = AsyncExitStack()

    async def start(self) -> None:
        """Listen. Raises InputError where the address cannot be had."""
        try:
            if self.address.scheme == "unix":
                await self._listen_on_socket(Path(self.address.path))
            else:
                await self._listen_on_port()
        except OSError as error:
            raise InputError(f"address={self.address} cannot be served: {error}") from error

    async def close(self) -> None:
        """Listen no more, give the answers that are due, hang up."""
        await self.service.stop()
        await self._open.aclose()

    async def _listen_on_socket(self, path: Path) -> None:
        server = await asyncio.start_unix_server(self._on_stream, sock=bind_unix_socket(path))
        self._open.callback(lambda: path.unlink(missing_ok=True))
        self._open.callback(server.close)

    async def _listen_on_port(self) -> None:
        host = "127.0.0.1" if self.address.host == "localhost" else self.address.host
        server = await serve(
            self._on_websocket,
            host,
            self.address.port,
            ssl=self._access.tls,
            process_request=self._admit,
            origins=[None],  # no page in a browser may connect
            compression=None,
            server_header=None,
            open_timeout=self._limits.handshake_s,
            ping_interval=self._limits.read_s,
            ping_timeout=self._limits.read_s,
            close_timeout=self._limits.write_s,
            max_size=self._limits.max_message_bytes,
            max_queue=1,
            logger=_quiet_logger(),
        )
        self._open.push_async_callback(server.wait_closed)
        self._open.callback(server.close)
        port = next(iter(server.sockets)).getsockname()[1]
        self.address = Address(self.address.scheme, host=host, port=port)

    async def _on_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = StreamChannel(reader, writer, self._limits)
        try:
            refusal = None if self.service.has_room else "there are too many connections"
            if refusal is None and not self._is_token(await channel.receive(self._limits.handshake_s, MAX_TOKEN_BYTES)):
                refusal = "the token is wrong"
            if refusal is None and not self.service.make_room():
                refusal = "there are too many connections"
            if refusal is None:
                await self.service.serve(channel)
                return
            self.service.metrics.add("refused_connections")
            await channel.send(pack(error_message(None, "", refusal)))
        except ChannelFaultError as error:
            self.service.metrics.add("refused_connections")
            logger.warning("closed a connection: %s", error)
        except ChannelClosedError:
            pass
        await channel.close()

    async def _on_websocket(self, connection: ServerConnection) -> None:
        await self.service.serve(WebSocketChannel(connection, self._limits))

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let a request in (None), or answer it at once."""
        try:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        except MultipleValuesError:
            scheme, token = "", ""
        is_known = scheme == "Bearer" and self._is_token(token.encode(errors="surrogateescape"))
        if self._access.token is not None and not is_known:
            self.service.metrics.add("refused_connections")
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "the token is missing or wrong\n")
        if request.path == "/health":
            response = connection.respond(http.HTTPStatus.OK, json.dumps(self.service.health()) + "\n")
            del response.headers["Content-Type"]
            response.headers["Content-Type"] = "application/json"
            return response
        if request.path == "/metrics":
            return connection.respond(http.HTTPStatus.OK, self.service.metrics.text())
        if request.path != "/":
            return connection.respond(http.HTTPStatus.NOT_FOUND, "there are /, /health and /metrics\n")
        if not self.service.make_room():
            self.service.metrics.add("refused_connections")
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections\n")
        return None

    def _is_token(self, token: bytes) -> bool:
        return self._access.token is None or hmac.compare_digest(token, self._access.token.encode())


def run_server(server: PolicyServer, on_ready: Callable[[Address], None], *, until_stdin_ends: bool = False) -> int:
    """Serve until SIGTERM or SIGINT, or until standard input ends, and return the exit code.

    Args:
        server: Not started.
        on_ready: Called with the address once clients may connect.
        until_stdin_ends: Whether the process belongs to the one that holds the other end of its standard input.

    Raises:
        InputError: The address cannot be had.
    """
    return asyncio.run(_run(server, on_ready, until_stdin_ends))


async def _run(server: PolicyServer, on_ready: Callable[[Address], None], until_stdin_ends: bool) -> int:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    code = 0

    def stop(number: int) -> None:
        nonlocal code
        code = 128 + number
        told.set()
        loop.remove_signal_handler(number)  # a second one ends the process at once

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    if until_stdin_ends:
        loop.add_reader(sys.stdin.fileno(), lambda: os.read(sys.stdin.fileno(), 4096) or told.set())
    await server.start()
    on_ready(server.address)
    try:
        await told.wait()
    finally:
        if until_stdin_ends:
            loop.remove_reader(sys.stdin.fileno())
        with suppress(asyncio.CancelledError):
            await server.close()
    return code


def _quiet_logger() -> logging.Logger:
    """Return the library's logger without its tracebacks of failed handshakes, which anybody can cause."""
    quiet = logging.getLogger("websockets.server")
    quiet.setLevel(logging.CRITICAL)
    return quiet
