"""What the policy is asked: one question at a time, and how long it takes to answer."""

from collections import deque
from dataclasses import dataclass

from dist2_robot.deploy.link import TimedChunk

LATENCIES = 10  # remembered


@dataclass(frozen=True)
class Question:
    """A request that is not answered yet.

    Attributes:
        sequence: Its number.
        observed_s: When what it shows was seen.
        play_s: Where in the plan the first step of the answer lies.
        committed: How many first steps the policy was told, P.
    """

    sequence: int
    observed_s: float
    play_s: float
    committed: int


class Questions:
    """Numbers questions, and knows which one waits for its answer.

    Args:
        latency_s: How long an answer is expected to take before there was one.

    Attributes:
        open: The question that waits; None where none does.
    """

    def __init__(self, latency_s: float) -> None:
        self.open: Question | None = None
        self._latency_s = latency_s
        self._sequence = 0
        self._latencies: deque[float] = deque(maxlen=LATENCIES)

    def ask(self, observed_s: float, play_s: float, committed: int) -> Question:
        """Return a new question, which is open from now on."""
        self.open = Question(self._sequence, observed_s, play_s, committed)
        self._sequence += 1
        return self.open

    def drop(self) -> None:
        """Want no answer any more."""
        self.open = None

    def answered_by(self, chunk: TimedChunk) -> Question | None:
        """Return the question that a chunk answers, which is closed; None where it answers no open one."""
        asked = self.open
        if asked is None or (chunk.sequence, chunk.observed_s) != (asked.sequence, asked.observed_s):
            return None
        self.open = None
        return asked

    def was_asked(self, chunk: TimedChunk) -> bool:
        """Tell whether there ever was a question of the chunk's number."""
        return chunk.sequence < self._sequence

    def remember(self, latency_s: float) -> None:
        """Remember how long an answer took that could be played."""
        self._latencies.append(latency_s)

    @property
    def latency_s(self) -> float:
        """How long an answer is expected to take: the longest of the last ones."""
        return max(self._latencies, default=self._latency_s)
