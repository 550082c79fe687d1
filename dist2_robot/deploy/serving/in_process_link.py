"""A policy in the loop's own process whose answers take as long as they are told to: for tests and simulations."""

import heapq
import itertools
from collections.abc import Callable

from dist2_robot.deploy.clock import Clock
from dist2_robot.deploy.inference import Inference, PolicyCard
from dist2_robot.deploy.link import ChunkRequest, LinkError, TimedChunk

_ROUNDING_S = 1e-9  # sums of times that are meant to be equal differ in their last bits


class InProcessLink:
    """Implements `PolicyLink`. It infers at once, and holds the answer back until the clock has gone on by the latency.

    With a clock that jumps, a run with any latency is the same to the bit whatever the computer does.

    Args:
        inference: The policy.
        clock: The loop's.
        latency_s: From request to answer, always, or as a function of the request.
    """

    def __init__(
        self, inference: Inference, clock: Clock, latency_s: float | Callable[[ChunkRequest], float] = 0.0
    ) -> None:
        self._inference, self._clock, self._latency_s = inference, clock, latency_s
        self._answers: list[tuple[float, int, TimedChunk | LinkError]] = []
        self._count = itertools.count()
        self._is_closed = False

    @property
    def card(self) -> PolicyCard:
        return self._inference.card

    def request(self, request: ChunkRequest) -> None:
        if self._is_closed:
            raise LinkError("the link is closed")
        latency_s = self._latency_s(request) if callable(self._latency_s) else self._latency_s
        prefix = request.prefix if len(request.prefix) else None
        answer: TimedChunk | LinkError
        try:
            found = self._inference.infer(request.features, request.task, prefix)
        except ValueError as error:
            answer = LinkError(f"request {request.sequence}: {' '.join(str(error).split())}")
        else:
            answer = TimedChunk(
                request.sequence, request.observed_s, found.actions, found.entropy, found.expected_error, latency_s
            )
        heapq.heappush(self._answers, (self._clock.now() + latency_s, next(self._count), answer))

    def poll(self) -> TimedChunk | None:
        if self._is_closed:
            raise LinkError("the link is closed")
        if not self._answers or self._answers[0][0] > self._clock.now() + _ROUNDING_S:
            return None
        _, _, answer = heapq.heappop(self._answers)
        if isinstance(answer, LinkError):
            raise answer
        return answer

    def close(self) -> None:
        self._is_closed = True
