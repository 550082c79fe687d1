"""What a policy server does for a client, whatever carries the messages."""

import asyncio
import logging
import time
import uuid
from contextlib import suppress
from functools import partial
from typing import Any

from dist2_robot.deploy.forms.inference_checks import RequestError
from dist2_robot.deploy.inference import Inference
from dist2_robot.deploy.link import ChunkRequest, TimedChunk
from dist2_robot.deploy.serving.channels import Channel, ChannelClosedError, ChannelFaultError, ServerLimits
from dist2_robot.deploy.serving.messages import card_message, chunk_message, error_message, read_request
from dist2_robot.deploy.serving.metrics import Metrics
from dist2_robot.deploy.serving.schema import FROM_CLIENT, MessageError, check_message, check_version
from dist2_robot.deploy.serving.worker_thread import WorkerThread
from dist2_robot.deploy.wire import WireError, pack, unpack

logger = logging.getLogger(__name__)


class PolicyService:
    """Answers the requests of several clients with one policy, one at a time, the newest of each client.

    Args:
        inference: The policy.
        limits: Of a client.
    """

    def __init__(self, inference: Inference, limits: ServerLimits) -> None:
        self.metrics = Metrics()
        self._inference, self._limits, self._worker = inference, limits, WorkerThread()
        self._sessions: set[_Session] = set()
        self._start_s, self._state = time.monotonic(), "ready"

    @property
    def is_full(self) -> bool:
        """Whether there are as many clients as allowed."""
        return len(self._sessions) >= self._limits.max_connections

    @property
    def has_room(self) -> bool:
        """Whether one more client may come: there is a place, or one whose holder has been silent for long."""
        return not self.is_full or self._silent() is not None

    def make_room(self) -> bool:
        """Return whether there is a place now, if need be that of the client that has been silent longest.

        A robot at rest keeps its place as long as nobody else wants it.
        """
        silent = self._silent() if self.is_full else None
        if silent is not None:
            self._sessions.discard(silent)
            silent.leaving = asyncio.create_task(self._send_away(silent))  # kept, or it might never run
        return not self.is_full

    def _silent(self) -> "_Session | None":
        latest_s = time.monotonic() - self._limits.idle_s
        silent = [session for session in self._sessions if session.idle.is_set() and session.heard_s <= latest_s]
        return min(silent, key=lambda session: session.heard_s, default=None)

    async def _send_away(self, session: "_Session") -> None:
        text = f"nothing was heard for {self._limits.idle_s:g} s, and another client wants the place: connect again"
        with suppress(ChannelClosedError, ChannelFaultError):
            await self._send(session.channel, error_message(None, "", text))
        await session.channel.close()

    def health(self) -> dict[str, Any]:
        """Return how the server is."""
        return {
            "state": self._state,
            "digest": self._inference.card.digest,
            "uptime_s": time.monotonic() - self._start_s,
        }

    async def serve(self, channel: Channel) -> None:
        """Serve a client, that has shown its token, until it hangs up or breaks the rules; then close the channel."""
        session = _Session(channel)
        self._sessions.add(session)
        self.metrics.add("connections")
        answering = asyncio.create_task(self._answer(session))
        try:
            await self._listen(session)
        except ChannelClosedError:
            pass
        except (ChannelFaultError, MessageError, WireError) as error:
            self.metrics.add("refused_connections")
            logger.warning("closed a connection: %s", error)
            with suppress(ChannelClosedError, ChannelFaultError):
                await self._send(channel, error_message(None, "", str(error)))
        finally:
            self._sessions.discard(session)
            answering.cancel()
            await channel.close()

    async def stop(self) -> None:
        """Take no more requests, give the answers that are being thought of, and say goodbye."""
        self._state = "stopping"
        sessions = list(self._sessions)
        if sessions:
            await asyncio.wait([asyncio.ensure_future(s.idle.wait()) for s in sessions], timeout=self._limits.stop_s)
        for session in sessions:
            with suppress(ChannelClosedError, ChannelFaultError):
                await self._send(session.channel, {"type": "bye"})
            await session.channel.close()
        self._worker.close()

    async def _listen(self, session: "_Session") -> None:
        hello = await self._receive(session.channel, ("hello",), self._limits.handshake_s)
        check_version(hello)
        await self._send(session.channel, card_message(self._inference.card))
        while True:
            message = await self._receive(session.channel, FROM_CLIENT)
            session.heard_s = time.monotonic()
            kind = message["type"]
            if kind == "bye":
                return
            if kind == "hello":
                raise MessageError("'hello' was said before")
            if kind == "health":
                await self._send(session.channel, {"type": "health", **self.health()})
            elif kind == "metrics":
                await self._send(session.channel, {"type": "metrics", "text": self.metrics.text()})
            elif kind == "reset":
                if session.take() is not None:
                    self.metrics.add("drops")
                await self._worker.run(self._inference.reset)
            else:
                self.metrics.add("requests")
                if session.put(read_request(message), accept=self._state == "ready"):
                    self.metrics.add("drops")

    async def _answer(self, session: "_Session") -> None:
        """Answer the requests of a client as they come."""
        try:
            while True:
                request = await session.next()
                await self._send(session.channel, await self._infer(request))
        except (ChannelClosedError, ChannelFaultError):
            await session.channel.close()  # which ends the listening too
        finally:
            session.idle.set()

    async def _infer(self, request: ChunkRequest) -> dict[str, Any]:
        prefix = request.prefix if len(request.prefix) else None
        try:
            found = await self._worker.run(partial(self._inference.infer, request.features, request.task, prefix))
        except RequestError as error:  # its text tells of the request alone
            self.metrics.add("refused_requests")
            return error_message(request.sequence, "", str(error))
        except Exception:
            error_id = uuid.uuid4().hex
            self.metrics.add("errors")
            logger.exception("request %d failed, error id %s", request.sequence, error_id)
            return error_message(request.sequence, error_id, "the policy failed; the server's log has the reason")
        self.metrics.observe(found.seconds)
        chunk = TimedChunk(
            request.sequence, request.observed_s, found.actions, found.entropy, found.expected_error, found.seconds
        )
        return chunk_message(chunk)

    async def _receive(self, channel: Channel, allowed: tuple[str, ...], wait_s: float | None = None) -> dict[str, Any]:
        payload = await channel.receive(wait_s)
        self.metrics.add("bytes_in", len(payload))
        message = unpack(payload, self._limits.max_message_bytes)
        check_message(message, allowed)
        return message

    async def _send(self, channel: Channel, message: dict[str, Any]) -> None:
        payload = pack(message)
        self.metrics.add("bytes_out", len(payload))
        await channel.send(payload)


class _Session:
    """A client and its newest request that nobody has begun with."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.heard_s = time.monotonic()
        self.leaving: asyncio.Task[None] | None = None
        self.idle = asyncio.Event()
        self.idle.set()
        self._newest: ChunkRequest | None = None
        self._is_there = asyncio.Event()

    def put(self, request: ChunkRequest, accept: bool) -> bool:
        """Take a request; return whether one was dropped."""
        if not accept:
            return True
        is_dropped = self._newest is not None
        self._newest = request
        self._is_there.set()
        self.idle.clear()
        return is_dropped

    def take(self) -> ChunkRequest | None:
        """Return the request that waits, which then waits no more."""
        request, self._newest = self._newest, None
        self._is_there.clear()
        return request

    async def next(self) -> ChunkRequest:
        """Wait for a request, and return it."""
        while True:
            if (request := self.take()) is not None:
                return request
            self.idle.set()
            await self._is_there.wait()
