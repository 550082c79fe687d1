"""From the control loop to the policy process and back. Nothing here ever waits.

T steps of a chunk, A action dimensions, P committed steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dist2_robot.deploy.inference import PolicyCard


class LinkError(Exception):
    """The other side is gone, or broke the protocol. One line."""


@dataclass(frozen=True)
class ChunkRequest:
    """Attributes:
    sequence: Counts the requests of a run, from 0.
    observed_s: When what it shows was measured, on the loop's monotonic clock.
    features: LeRobot's feature names -> numbers (size,), pictures (height, width, 3); with a history (K, ...).
    prefix: (P, A), what the loop will do in the first steps from ``observed_s`` on, whatever the answer says.
    task: What to do, in words.
    """

    sequence: int
    observed_s: float
    features: Mapping[str, np.ndarray]
    prefix: np.ndarray
    task: str | None = None


@dataclass(frozen=True)
class TimedChunk:
    """A chunk with the request that it answers. Step k is meant for ``observed_s`` plus k periods of its spec.

    Attributes:
        sequence: Of the request.
        observed_s: Of the request.
        actions: (T, A), in the units of the spec. Nobody has checked them.
        entropy: (T,), in nats, or None.
        expected_error: (T, A), in the unit of each dimension, or None.
        inference_s: What the policy took.
    """

    sequence: int
    observed_s: float
    actions: np.ndarray
    entropy: np.ndarray | None = None
    expected_error: np.ndarray | None = None
    inference_s: float = 0.0


class PolicyLink(Protocol):
    """The loop's end. All methods return at once."""

    @property
    def card(self) -> PolicyCard:
        """What the policy at the other end is."""
        ...

    def request(self, request: ChunkRequest) -> None:
        """Ask for a chunk. Raises LinkError where the other side is gone."""
        ...

    def poll(self) -> TimedChunk | None:
        """Return the next answer, oldest first, or None. Raises LinkError where the other side is gone."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...
