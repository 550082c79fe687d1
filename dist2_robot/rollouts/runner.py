"""Run a policy in many simulated episodes at once. B slots, T actions of a chunk, A action dimensions."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

import numpy as np

from dist2_robot.errors import InputError
from dist2_robot.rollouts.crew import Crew, LocalCrew
from dist2_robot.rollouts.environment import EnvironmentSpec
from dist2_robot.rollouts.episode import EpisodeResult, Outcome
from dist2_robot.rollouts.worker import Execute, Report, Reset

STEP_TIMEOUT_S = 60.0
INFERENCE_ROWS = 16  # of every inference: a row's result may depend on the shape of the batch
Act = Callable[[dict[str, np.ndarray]], np.ndarray]


class Blender(Protocol):
    """What makes the actions of one episode from its chunks."""

    def committed(self) -> dict[str, np.ndarray]:
        """Return what the policy is told beside the features, about what will be executed in any case."""
        ...

    def blend(self, chunk: np.ndarray, executed: int) -> np.ndarray:
        """Return the next actions, of which at most so many will be executed, given the newest chunk (T, A)."""
        ...


# Place of an episode in `seeds`, actions executed, what is seen, without a batch dimension -> whether it is to end.
Watch = Callable[[int, int, dict[str, np.ndarray]], bool]
OnChunk = Callable[[int, int, dict[str, np.ndarray], np.ndarray], None]


def run_episodes(
    act: Act,
    environment: EnvironmentSpec,
    seeds: Sequence[int],
    *,
    workers: int,
    batch_size: int,
    n_action_steps: int,
    max_steps: int | None = None,
    film: Collection[int] = (),
    step_timeout_s: float = STEP_TIMEOUT_S,
    on_episode: Callable[[EpisodeResult], None] | None = None,
    on_chunk: OnChunk | None = None,
    crew: Crew | LocalCrew | None = None,
    ensemble: Callable[[], Blender] | None = None,
    watch: Watch | None = None,
) -> list[EpisodeResult]:
    """Run one episode a seed and return the results in the order of the seeds.

    The results depend neither on the number of workers nor on how many episodes run at a time: all slots wait for each
    other, and the policy always sees the same number of rows, so that no matrix product knows how many there are. (What
    a policy draws at random does depend on the order in which it is asked.) An episode goes on after a success, so that
    success at any step and at the last step are both known. Whatever breaks is an ``error`` of the episodes that it
    took along, never of the run: success, failure and error add up to the seeds.

    Args:
        act: Maps features (B, ...) by LeRobot's names, and texts under ``task``, to chunks of actions (B, T, A), B
            being `INFERENCE_ROWS`; rows without an episode repeat another one and are thrown away.
        environment: What to simulate.
        seeds: What to reset each episode with.
        workers: How many processes simulate; 0 for this one, where nothing can time out.
        batch_size: How many episodes run at a time.
        n_action_steps: How many actions of each chunk are executed before the policy is asked again.
        max_steps: Longest episode, if shorter than the environment's own limit.
        film: Places in `seeds` of the episodes to film.
        step_timeout_s: How long a worker may take for the actions of one chunk.
        on_episode: Called with each result as soon as the episode has ended.
        on_chunk: Called for each chunk of a filmed episode with its place in `seeds`, the actions executed before, the
            features that were seen, without a batch dimension, and the chunk (T, A).
        crew: Simulates the environment in place of new workers, and stays open for further runs.
        ensemble: Makes what blends the chunks of an episode; None to execute each chunk as it comes.
        watch: Asked before each chunk of each episode whether to end it there; None to let all run on.

    Raises:
        InputError: The environment cannot be built from these arguments.
        ValueError: The policy gave chunks of a wrong shape.
    """
    ledger = _Ledger(seeds, batch_size, set(film), max_steps, on_episode)
    blenders: dict[int, Blender] = {}  # place of an episode in `seeds` -> its chunks
    with at_work(crew, environment, min(workers, batch_size, len(seeds)), bool(film), step_timeout_s) as hired:
        while len(ledger.results) < len(seeds):
            for report in hired.carry_out(ledger.resets()):
                ledger.settle(report)
            if watch is not None:
                ledger.end_where(watch)
            if slots := sorted(ledger.running):
                seen = {slot: ledger.seen[slot] for slot in slots}
                if ensemble is not None:
                    for slot in slots:
                        index = ledger.running[slot]
                        blenders[index] = blenders.get(index) or ensemble()
                        seen[slot] = {**seen[slot], **blenders[index].committed()}
                chunks = _chunks(act, seen, n_action_steps)
                for slot, index in ledger.running.items():
                    if ensemble is not None:
                        chunks[slot] = blenders[index].blend(chunks[slot], n_action_steps)
                    if on_chunk is not None and index in film:
                        on_chunk(index, ledger.steps[slot], ledger.seen[slot], chunks[slot])
                for report in hired.carry_out([Execute(slot, chunks[slot][:n_action_steps]) for slot in slots]):
                    ledger.settle(report)
    return [ledger.results[index] for index in range(len(seeds))]


@contextmanager
def at_work(
    crew: Crew | LocalCrew | None,
    environment: EnvironmentSpec,
    workers: int,
    render: bool,
    step_timeout_s: float = STEP_TIMEOUT_S,
) -> Iterator[Crew | LocalCrew]:
    """Give the crew that there is, which stays, or a new one, which is ended; with 0 workers one in this process."""
    if crew is not None:
        yield crew
        return
    new = Crew(environment, workers, render, step_timeout_s) if workers else LocalCrew(environment, render)
    try:
        yield new
    finally:
        new.close()


class _Ledger:
    """Which episode runs in which slot, what it last saw, and how those that are over ended."""

    def __init__(
        self,
        seeds: Sequence[int],
        batch_size: int,
        filmed: set[int],
        max_steps: int | None,
        on_episode: Callable[[EpisodeResult], None] | None,
    ) -> None:
        self._seeds, self._filmed, self._max_steps, self._on_episode = seeds, filmed, max_steps, on_episode
        # Of each slot, the places in `seeds` that it has to run, last first.
        self._waiting = [list(range(slot, len(seeds), batch_size))[::-1] for slot in range(batch_size)]
        self.running: dict[int, int] = {}  # slot -> place of its episode in `seeds`
        self.seen: dict[int, dict[str, np.ndarray]] = {}  # slot -> features
        self.steps: dict[int, int] = {}  # slot -> actions executed
        self._last: dict[int, Report] = {}  # slot -> what it reported last
        self._starts: dict[int, dict[str, tuple[float, ...]]] = {}  # slot -> features at its start
        self.results: dict[int, EpisodeResult] = {}  # place in `seeds` -> result

    def resets(self) -> list[Reset]:
        """Give every free slot its next episode."""
        resets = []
        for slot, queue in enumerate(self._waiting):
            if slot not in self.running and queue:
                index = self.running[slot] = queue.pop()
                resets.append(Reset(slot, self._seeds[index], index in self._filmed, self._max_steps))
        return resets

    def end_where(self, watch: Watch) -> None:
        """End the episodes that are to end, as they stand; how rough they were is not known."""
        for slot, index in sorted(self.running.items()):
            if watch(index, self.steps[slot], self.seen[slot]):
                self.settle(replace(self._last[slot], is_over=True))

    def settle(self, report: Report) -> None:
        """Take note of what a slot reports. Raises InputError where the environment cannot be built."""
        if report.is_input_error:
            raise InputError(report.error)
        if not report.is_over:
            self.seen[report.slot], self.steps[report.slot] = report.features or {}, report.steps
            self._last[report.slot] = report
            if report.steps == 0:
                seen = {name: x[-1] if x.ndim == 2 else x for name, x in self.seen[report.slot].items()}
                self._starts[report.slot] = {name: tuple(x.tolist()) for name, x in seen.items() if x.ndim == 1}
            return
        index = self.running.pop(report.slot)
        start = self._starts.pop(report.slot, {})
        self.results[index] = replace(_result(index, self._seeds[index], report), start=start)
        if self._on_episode is not None:
            self._on_episode(self.results[index])


def _chunks(act: Act, seen: Mapping[int, dict[str, np.ndarray]], n_action_steps: int) -> dict[int, np.ndarray]:
    """Return the chunk (T, A) of each slot; the policy sees `INFERENCE_ROWS` at a time, whatever there is to do."""
    chunks = {}
    slots = sorted(seen)
    for start in range(0, len(slots), INFERENCE_ROWS):
        some = slots[start : start + INFERENCE_ROWS]
        padded = some + [some[0]] * (INFERENCE_ROWS - len(some))
        answer = np.asarray(act({name: np.stack([seen[slot][name] for slot in padded]) for name in seen[some[0]]}))
        if answer.ndim != 3 or len(answer) != INFERENCE_ROWS or answer.shape[1] < n_action_steps:
            raise ValueError(f"the policy gave actions {answer.shape}, not ({INFERENCE_ROWS}, >= {n_action_steps}, A)")
        chunks |= dict(zip(some, answer, strict=False))
    return chunks


def _result(index: int, seed: int, report: Report) -> EpisodeResult:
    outcome: Outcome = "error" if report.error else "failure" if report.success_step is None else "success"
    return EpisodeResult(
        index=index,
        seed=seed,
        outcome=outcome,
        steps=report.steps,
        success_step=report.success_step,
        success_at_end=report.success_at_end and not report.error,
        jerk=report.jerk,
        episode_return=report.episode_return,
        progress=report.progress,
        message=report.error,
        frames=report.frames,
        frames_hz=report.frames_hz,
    )
