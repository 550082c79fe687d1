"""What goes into one tick of the control loop and what comes out: all that its decisions depend on.

A run is the sequence of these, so that its log can be replayed to the bit. A action dimensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from dist2_robot.deploy.link import ChunkRequest, TimedChunk
from dist2_robot.deploy.loop.machine import State
from dist2_robot.deploy.robot import Reading

Command = Literal["arm", "rearm"]  # a person's


@dataclass(frozen=True)
class TickInput:
    """Attributes:
    now_s: On the monotonic clock.
    skipped: How many ticks before this one were left out because they would have been late.
    reading: What the robot senses; None where it could not be read.
    picture_sums: Feature of pictures -> checksum, to notice one that stands still.
    chunks: What the policy answered since the last tick.
    commands: What a person asked for.
    stop: Why to stop: a signal, the emergency key; empty for no reason.
    robot_fault: What the robot failed at; empty for nothing.
    link_fault: Why the policy cannot be asked any more; empty if it can.
    """

    now_s: float
    skipped: int = 0
    reading: Reading | None = None
    picture_sums: Mapping[str, int] = field(default_factory=dict)
    chunks: tuple[TimedChunk, ...] = ()
    commands: tuple[Command, ...] = ()
    stop: str = ""
    robot_fault: str = ""
    link_fault: str = ""


@dataclass(frozen=True)
class TickOutput:
    """Attributes:
    state: After the tick.
    reason: Why it holds, stopped or was disarmed.
    wanted: (A,), what the policy wants now; None where it wants nothing.
    target: (A,), what to send; None for nothing.
    request: What to ask the policy; None for nothing.
    is_limited: Whether the target lags behind what is wanted, because of a limit.
    speed: Play seconds a second, at most 1.
    entropy: Of the tokens of the present step, in nats; None if unknown.
    unsure: Expected error of the present step, in tolerances, mean of the dimensions; None if unknown.
    jump: Of a chunk that took over in this tick, see `Timeline.put`; None if none did.
    events: What happened, in words: chunks that were dropped, and why; changes of state.
    """

    state: State
    reason: str
    wanted: np.ndarray | None = None
    target: np.ndarray | None = None
    request: ChunkRequest | None = None
    is_limited: bool = False
    speed: float = 1.0
    entropy: float | None = None
    unsure: float | None = None
    jump: float | None = None
    events: tuple[str, ...] = ()
