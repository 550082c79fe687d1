"""The control loop's end of a connection to a policy server, which never waits."""

import threading
from pathlib import Path
from typing import Protocol

from dist2_robot.deploy.inference import PolicyCard
from dist2_robot.deploy.link import ChunkRequest, LinkError, TimedChunk
from dist2_robot.deploy.serving.connections import (
    Connection,
    ServerError,
    StreamConnection,
    describe_error,
    open_connection,
    receive_message,
)
from dist2_robot.deploy.serving.messages import read_card, read_chunk, request_message
from dist2_robot.deploy.serving.schema import MessageError
from dist2_robot.deploy.wire import WireError, pack


class SocketLink:
    """Implements `PolicyLink` over a Unix socket or a websocket. To be used by one thread.

    A request that the system has not begun to take when a newer one comes is dropped. A request that the server
    refuses, e.g. for a number that is not finite, raises LinkError in `poll`, and leaves the connection open.

    Args:
        address: ``unix:/path``, ``ws://host:port`` or ``wss://host:port``.
        token: The server's, if it wants one.
        ca: File with the certificates to trust, for wss://.
        timeout_s: For connecting, which is the only thing that waits.

    Raises:
        LinkError: There is no server, or it refuses.
    """

    def __init__(
        self, address: str, token: str | None = None, ca: Path | str | None = None, timeout_s: float = 10.0
    ) -> None:
        try:
            self._connection, message = open_connection(address, token, ca, timeout_s)
        except ServerError as error:
            raise LinkError(str(error)) from error
        try:
            self._card = read_card(message)
        except MessageError as error:
            self._connection.close()
            raise LinkError(str(error)) from error
        self._outbox: _Outbox
        if isinstance(self._connection, StreamConnection):
            self._outbox = _StreamOutbox(self._connection)
        else:
            self._outbox = _ThreadOutbox(self._connection)

    @property
    def card(self) -> PolicyCard:
        return self._card

    @property
    def dropped(self) -> int:
        """How many requests were never sent, since a newer one came before."""
        return self._outbox.dropped

    def request(self, request: ChunkRequest) -> None:
        try:
            self._outbox.put(pack(request_message(request)))
        except (ServerError, WireError) as error:
            raise LinkError(str(error)) from error

    def poll(self) -> TimedChunk | None:
        try:
            self._outbox.flush()
            message = receive_message(self._connection, 0.0)
        except ServerError as error:
            raise LinkError(str(error)) from error
        if message is None:
            return None
        if message["type"] == "chunk":
            return read_chunk(message)
        if message["type"] == "error":
            raise LinkError(f"request {message['sequence']}: {describe_error(message)}")
        if message["type"] == "bye":
            raise LinkError("the policy server stops")
        raise LinkError(f"the server broke the protocol: '{message['type']}' was not asked for")

    def close(self) -> None:
        self._outbox.close()
        self._connection.close()


class _Outbox(Protocol):
    """Where the newest request waits to be sent. Its methods raise ServerError where the server is gone."""

    dropped: int

    def put(self, payload: bytes) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class _StreamOutbox:
    """Sends what the socket takes without waiting."""

    def __init__(self, connection: StreamConnection) -> None:
        self.dropped = 0
        self._connection = connection
        self._newest: bytes | None = None

    def put(self, payload: bytes) -> None:
        self.dropped += self._newest is not None
        self._newest = payload
        self.flush()

    def flush(self) -> None:
        self._connection.begin_to_send()
        if self._newest is not None and not self._connection.pending:
            payload, self._newest = self._newest, None
            self._connection.begin_to_send(payload)

    def close(self) -> None:
        self._newest = None


class _ThreadOutbox:
    """Sends in a thread, since a websocket waits until the system has taken a message."""

    def __init__(self, connection: Connection) -> None:
        self.dropped = 0
        self._connection = connection
        self._newest: bytes | None = None
        self._changed = threading.Condition()
        self._is_closed, self._error = False, None
        threading.Thread(target=self._send, name="policy link", daemon=True).start()

    def put(self, payload: bytes) -> None:
        self.flush()
        with self._changed:
            self.dropped += self._newest is not None
            self._newest = payload
            self._changed.notify()

    def flush(self) -> None:
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _send(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._is_closed)
                if self._is_closed:
                    return
                payload, self._newest = self._newest, None
            assert payload is not None
            try:
                self._connection.send(payload)
            except ServerError as error:
                self._error = error
                return
