"""Ask a policy server from any Python program.

    from dist2_robot.deploy.serving.client import PolicyClient

    with PolicyClient("wss://robot:8765", token=..., ca="ca.pem") as policy:
        chunk = policy.chunk({"observation.state": state})

Needs numpy, msgpack and websockets: no torch. To be used by one thread.
"""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from dist2_robot.deploy.serving.connections import (
    ServerError,
    await_message,
    open_connection,
    receive_message,
)
from dist2_robot.deploy.serving.schema import as_feature
from dist2_robot.deploy.wire import WireError, pack

__all__ = ["Chunk", "PolicyClient", "ServerError"]


class Chunk(NamedTuple):
    """What a policy answers. T steps, A action dimensions.

    Attributes:
        actions: (T, A), float32, in the units of ``card["spec"]``.
        entropy: (T,), how unsure the policy was of each step, in nats, or None.
        expected_error: (T, A), how far it expects to be off, in the unit of each dimension, or None.
        inference_s: What the policy took.
    """

    actions: np.ndarray
    entropy: np.ndarray | None
    expected_error: np.ndarray | None
    inference_s: float


class PolicyClient:
    """A connection to a policy server, that waits for each answer.

    A client that is silent for 30 s may lose its place to another one. It connects again when it next asks.

    Args:
        address: ``unix:/path``, ``ws://host:port`` or ``wss://host:port``.
        token: The server's, if it wants one.
        ca: File with the certificates to trust, for wss://; None for those of the system.
        timeout_s: How long to wait for the server.

    Raises:
        ServerError: There is no server, or it refuses. So do all methods.
    """

    def __init__(
        self, address: str, token: str | None = None, ca: Path | str | None = None, timeout_s: float = 10.0
    ) -> None:
        self._open = partial(open_connection, address, token, ca, timeout_s)
        self._timeout_s, self._sequence = timeout_s, 0
        self._connection, message = self._open()
        self.card: dict[str, Any] = {name: x for name, x in message.items() if name not in ("type", "version")}

    def chunk(
        self, features: Mapping[str, ArrayLike], task: str | None = None, prefix: ArrayLike | None = None
    ) -> Chunk:
        """Return what the policy wants to do next.

        Args:
            features: LeRobot's feature names -> numbers (size,) and pictures (height, width, 3) from 0 to 255, bytes
                or floats; with a history of K moments (K, ...), oldest first. See ``card["observation"]``.
            task: What it is to do, in words.
            prefix: (P, A), the first steps that will be executed in any case; at most ``card["max_prefix"]`` of them.
        """
        self._sequence += 1
        self._send(
            {
                "type": "request",
                "sequence": self._sequence,
                "observed_s": time.monotonic(),
                "features": {name: as_feature(x) for name, x in features.items()},
                "prefix": None if prefix is None else np.asarray(prefix, np.float32),
                "task": task,
            }
        )
        answer = await_message(self._connection, "chunk", self._timeout_s, self._sequence)
        return Chunk(answer["actions"], answer["entropy"], answer["expected_error"], answer["inference_s"])

    def reset(self) -> None:
        """Let the policy forget the episode."""
        self._send({"type": "reset"})

    def health(self) -> dict[str, Any]:
        """Return how the server is: ``state``, ``digest``, ``uptime_s``."""
        self._send({"type": "health"})
        message = await_message(self._connection, "health", self._timeout_s)
        return {name: x for name, x in message.items() if name != "type"}

    def metrics(self) -> str:
        """Return what the server counts, as Prometheus' text."""
        self._send({"type": "metrics"})
        return await_message(self._connection, "metrics", self._timeout_s)["text"]

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _is_sent_away(self) -> bool:
        """Tell whether the server hung up in a pause, as it may when others want the place."""
        try:
            message = receive_message(self._connection, 0.0)
        except ServerError:
            return True
        return message is not None and message["type"] == "error" and message["sequence"] is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, message: dict[str, Any]) -> None:
        if self._is_sent_away():
            self._connection.close()
            self._connection, card = self._open()
            if card["digest"] != self.card["digest"]:
                raise ServerError("another policy is served now: connect anew, and look at its card")
        try:
            payload = pack(message)
        except WireError as error:
            raise ServerError(str(error)) from error
        self._connection.send(payload)
