"""The server's end of a connection: whole messages, within bounds of size and time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from dist2_robot.deploy.wire import HEADER, frame


@dataclass(frozen=True)
class ServerLimits:
    """Attributes:
    max_message_bytes: Of one message. A connection takes some three times as much memory at most.
    max_connections: At a time; more are refused.
    idle_s: After which without a message a client loses its place to another one, where all are taken.
    handshake_s: Within which a client must have said who it is and what it speaks.
    read_s: Within which a message that has begun must be complete.
    write_s: Within which a client must take its answer.
    stop_s: Within which inference must end when the server is told to stop.
    """

    max_message_bytes: int = 16 * 2**20
    max_connections: int = 4
    idle_s: float = 30.0
    handshake_s: float = 5.0
    read_s: float = 5.0
    write_s: float = 5.0
    stop_s: float = 5.0


class ChannelClosedError(Exception):
    """The client hung up."""


class ChannelFaultError(Exception):
    """The client was too slow, or sent too much. One line."""


class Channel(Protocol):
    """One client."""

    async def receive(self, wait_s: float | None = None) -> bytes:
        """Return the next message.

        Args:
            wait_s: How long to wait for its beginning; None for ever.

        Raises:
            ChannelClosedError: The client hung up.
            ChannelFaultError: It is too slow, or its message too large.
        """
        ...

    async def send(self, payload: bytes) -> None:
        """Send a message. Raises like `receive`."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


class StreamChannel:
    """Frames with their length ahead, on a stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: ServerLimits) -> None:
        self._reader, self._writer, self._limits = reader, writer, limits

    async def receive(self, wait_s: float | None = None, max_bytes: int | None = None) -> bytes:
        try:
            async with _within(wait_s):
                header = await self._reader.readexactly(1)
            async with _within(self._limits.read_s):
                header += await self._reader.readexactly(HEADER.size - 1)
                (size,) = HEADER.unpack(header)
                allowed = max_bytes or self._limits.max_message_bytes
                if size > allowed:
                    raise ChannelFaultError(f"a frame of {size} bytes, more than the {allowed} that are allowed")
                return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ChannelClosedError from error

    async def send(self, payload: bytes) -> None:
        try:
            async with _within(self._limits.write_s):
                self._writer.write(frame(payload))
                await self._writer.drain()
        except OSError as error:
            raise ChannelClosedError from error
        except ChannelFaultError:
            self._writer.transport.abort()
            raise

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._limits.write_s):
                await self._writer.wait_closed()
                return
        self._writer.transport.abort()


class WebSocketChannel:
    """Binary messages of a websocket, whose size the library bounds.

    A client that stops within a frame cannot answer the server's pings, and is closed for that.
    """

    def __init__(self, connection: ServerConnection, limits: ServerLimits) -> None:
        self._connection, self._limits = connection, limits

    async def receive(self, wait_s: float | None = None) -> bytes:
        fragments = self._connection.recv_streaming(decode=False)
        try:
            async with _within(wait_s):
                first = await anext(fragments)
            async with _within(self._limits.read_s):
                rest = [fragment async for fragment in fragments]
        except ConnectionClosed as error:
            raise ChannelClosedError from error
        return b"".join([first, *rest]) if rest else first

    async def send(self, payload: bytes) -> None:
        try:
            async with _within(self._limits.write_s):
                await self._connection.send(payload)
        except ConnectionClosed as error:
            raise ChannelClosedError from error
        except ChannelFaultError:
            self._connection.transport.abort()
            raise

    async def close(self) -> None:
        await self._connection.close()


@asynccontextmanager
async def _within(seconds: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ChannelFaultError(f"too slow: nothing complete within {seconds:g} s") from None
