"""The client's end of a connection to a policy server. Needs numpy, msgpack and websockets alone.

A `Connection` is used by one thread at a time.
"""

import contextlib
import socket
import ssl
import time
from pathlib import Path
from typing import Any, Protocol

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_websocket

from dist2_robot.deploy.serving.addresses import Address, parse_address
from dist2_robot.deploy.serving.schema import FROM_SERVER, PROTOCOL_VERSION, MessageError, check_message, check_version
from dist2_robot.deploy.wire import FrameReader, FrameWriter, WireError, pack, unpack


class ServerError(Exception):
    """The server is gone, refused, or broke the protocol. One line."""


class Connection(Protocol):
    """Whole messages, as bytes. All methods raise `ServerError` where the server is gone or breaks the rules."""

    def send(self, payload: bytes) -> None:
        """Send a message; waits until the system has taken it."""
        ...

    def receive(self, timeout_s: float) -> bytes | None:
        """Return the next message, or None if none is complete by then; 0 does not wait."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class StreamConnection:
    """Frames with their length ahead, on a Unix socket."""

    def __init__(self, path: str, token: str | None, timeout_s: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._timeout_s = timeout_s
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise ServerError(f"no server answers at unix:{path} ({error})") from error
        self._reader, self._writer = FrameReader(self._socket), FrameWriter(self._socket)
        with contextlib.suppress(ServerError):  # a server that is full hangs up before the token, and has said why
            self.send((token or "").encode())

    @property
    def pending(self) -> int:
        """How many bytes wait for the system to take them."""
        return self._writer.pending

    def send(self, payload: bytes) -> None:
        self.begin_to_send(payload)
        try:
            if not self._writer.flush(self._timeout_s):
                raise ServerError(f"the server took no message within {self._timeout_s:g} s")
        except WireError as error:
            raise ServerError(str(error)) from error

    def begin_to_send(self, payload: bytes | None = None) -> None:
        """Go on with what waits, and send or keep a message, without waiting."""
        try:
            if payload is None:
                self._writer.flush()
            else:
                self._writer.write(payload)
        except WireError as error:
            raise ServerError(str(error)) from error

    def receive(self, timeout_s: float) -> bytes | None:
        try:
            return self._reader.read(timeout_s)
        except WireError as error:
            raise ServerError(str(error)) from error

    def close(self) -> None:
        self._socket.close()


class WebConnection:
    """Binary messages of a websocket."""

    def __init__(self, address: Address, token: str | None, ca: Path | str | None, timeout_s: float) -> None:
        if token is not None and address.scheme == "ws" and not address.is_local:
            raise ServerError(f"the token would be sent to {address} for all to read: use wss://")
        try:
            self._connection: ClientConnection = connect_websocket(
                str(address),
                additional_headers={} if token is None else {"Authorization": f"Bearer {token}"},
                ssl=ssl.create_default_context(cafile=ca) if address.scheme == "wss" else None,
                proxy=None,
                compression=None,
                user_agent_header=None,
                open_timeout=timeout_s,
                close_timeout=1.0,
                max_size=_MAX_ANSWER_BYTES,
            )
        except InvalidStatus as error:
            reason = (error.response.body or b"").decode(errors="replace").strip()[:200]
            raise ServerError(f"{address} refused ({error.response.status_code}): {reason}") from error
        except (OSError, InvalidHandshake, ValueError) as error:
            raise ServerError(f"no server answers at {address} ({' '.join(str(error).split())})") from error

    def send(self, payload: bytes) -> None:
        try:
            self._connection.send(payload)
        except (ConnectionClosed, OSError) as error:
            raise ServerError(f"the server hung up ({error})") from error

    def receive(self, timeout_s: float) -> bytes | None:
        try:
            payload = self._connection.recv(timeout_s, decode=False)
        except TimeoutError:
            return None
        except (ConnectionClosed, OSError) as error:
            raise ServerError(f"the server hung up ({error})") from error
        return bytes(payload)

    def close(self) -> None:
        self._connection.close()


_MAX_ANSWER_BYTES = 8 * 2**20


def open_connection(
    address: str, token: str | None = None, ca: Path | str | None = None, timeout_s: float = 10.0
) -> tuple[Connection, dict[str, Any]]:
    """Connect to a server, and return the connection with the server's card as a message.

    Args:
        address: ``unix:/path``, ``ws://host:port`` or ``wss://host:port``.
        token: The server's, if it wants one.
        ca: File with the certificates to trust, for wss://; None for those of the system.
        timeout_s: Within which all of it must be done.

    Raises:
        ServerError: There is no server, or it refuses, or speaks another protocol.
    """
    try:
        parsed = parse_address(address)
    except ValueError as error:
        raise ServerError(str(error)) from error
    if token is not None and not (token.isascii() and token.isprintable()):
        raise ServerError("the token holds letters that no token has")
    connection: Connection
    if parsed.scheme == "unix":
        connection = StreamConnection(parsed.path, token, timeout_s)
    else:
        connection = WebConnection(parsed, token, ca, timeout_s)
    try:
        with contextlib.suppress(ServerError):  # refused, and hung up: it may have said why
            connection.send(pack({"type": "hello", "version": PROTOCOL_VERSION}))
        card = receive_message(connection, timeout_s)
        if card is None:
            raise ServerError(f"{address} did not say what it is within {timeout_s:g} s")
        _refuse_unless(card, "card")
        check_version(card)
    except (ServerError, MessageError) as error:
        connection.close()
        raise ServerError(str(error)) from error
    return connection, card


def receive_message(connection: Connection, timeout_s: float) -> dict[str, Any] | None:
    """Return the next message, checked, or None if none comes by then. Raises ServerError where it is not valid."""
    payload = connection.receive(timeout_s)
    if payload is None:
        return None
    try:
        message = unpack(payload)
        check_message(message, FROM_SERVER)
    except (WireError, MessageError) as error:
        raise ServerError(f"the server broke the protocol: {error}") from error
    return message


def await_message(connection: Connection, kind: str, timeout_s: float, sequence: int | None = None) -> dict[str, Any]:
    """Return the next message of a type, and of a request if one is named; older ones are passed over.

    Raises:
        ServerError: It does not come by then, or the server says that it failed.
    """
    end_s = time.monotonic() + timeout_s
    while (left_s := end_s - time.monotonic()) > 0:
        message = receive_message(connection, left_s)
        if message is None:
            break
        if message["type"] == "error" and message["sequence"] not in (None, sequence):
            continue
        if message["type"] == kind and sequence is not None and message.get("sequence") != sequence:
            continue
        _refuse_unless(message, kind)
        return message
    raise ServerError(f"the server gave no {kind} within {timeout_s:g} s")


def describe_error(message: dict[str, Any]) -> str:
    """Return what an ``error`` message says, in one line."""
    error_id = f" (error id {message['id']})" if message["id"] else ""
    return f"the server refused: {' '.join(message['text'].split())}{error_id}"


def _refuse_unless(message: dict[str, Any], kind: str) -> None:
    if message["type"] == "error":
        raise ServerError(describe_error(message))
    if message["type"] == "bye":
        raise ServerError("the server stops")
    if message["type"] != kind:
        raise ServerError(f"the server broke the protocol: '{message['type']}' where '{kind}' is due")
