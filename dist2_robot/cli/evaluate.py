"""A policy to a success rate."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.cli.environments import as_seen
from dist2_robot.cli.rater import Rater
from dist2_robot.errors import InputError
from dist2_robot.evaluation.beside import Moment
from dist2_robot.evaluation.intervals import wilson_interval
from dist2_robot.evaluation.summary import summarise
from dist2_robot.policies.belief import next_action_belief
from dist2_robot.policies.policy import Policy
from dist2_robot.progress import progress_bar
from dist2_robot.rollouts.crew import LocalCrew
from dist2_robot.rollouts.delay import PREFIX_ACTIONS, PREFIX_STEPS, Delay, DelayedChunks
from dist2_robot.rollouts.ensemble import TemporalEnsemble
from dist2_robot.rollouts.environment import EnvironmentSpec
from dist2_robot.rollouts.episode import EpisodeResult
from dist2_robot.rollouts.runner import Act, OnChunk, Watch, at_work, run_episodes
from dist2_robot.seeding import stream_seed
from dist2_robot.types import Observation, Prefix


def evaluate_policy(
    policy: Policy,
    environment: EnvironmentSpec,
    *,
    episodes: int,
    seed: int,
    n_action_steps: int,
    workers: int | None,
    batch_size: int,
    max_steps: int | None = None,
    film: Sequence[int] = (),
    on_film: Callable[[EpisodeResult, list[Moment]], None] | None = None,
    crew: LocalCrew | None = None,
    ensemble: float | None = None,
    until: float | None = None,
    delay: Delay | None = None,
    rater: Rater | None = None,
) -> dict[str, Any]:
    """Run episodes and return the content of results.json. Episode i starts from a state given by (seed, i) alone.

    Args:
        policy: In evaluation mode.
        environment: Where.
        episodes: How many.
        seed: Of this evaluation.
        n_action_steps: Actions of a chunk that are executed before the policy is asked again.
        workers: Processes; None for one a core, 0 to simulate in this one.
        batch_size: Environments that run at a time; the results do not depend on it.
        max_steps: Time limit; None for the environment's own.
        film: Episodes to film.
        on_film: Called with each filmed episode, frames and all, and what the policy believed in it.
        crew: Who simulates, if not new workers.
        ensemble: Decay of a temporal ensemble of chunks; None for none.
        until: Stop, after a whole batch, once the 95 % interval of the success rate reaches no farther than this to
            either side on average; None to run all episodes. Intervals of runs stopped so are slightly too narrow.
        delay: Let chunks arrive late; gives ``n_action_steps`` itself, and allows no ensemble. None: at once.
        rater: Looks on, and may end episodes; a new one for each evaluation.
    """
    blends: list[DelayedChunks] = []
    blender = None if ensemble is None else partial(TemporalEnsemble, policy.spec, ensemble)
    if delay is not None:
        delay.check(policy.spec, policy.horizon, policy.max_prefix)
        if blender is not None:
            raise InputError("an ensemble of chunks and a delay are not for the same evaluation: leave one of them out")
        n_action_steps, blender = delay.period, partial(_kept, blends, policy.spec, delay)
    _check(policy, episodes, n_action_steps)
    if rater is not None:
        rater.check(policy)
    seen = as_seen(environment, policy.observation)
    clock = time.monotonic()
    moments: dict[int, list[Moment]] = {}
    workers, batch_size = (os.cpu_count() or 1) if workers is None else workers, min(batch_size, episodes)
    with at_work(crew, seen, min(workers, batch_size), bool(film)) as hired, _draws_of(policy, seed):
        run = partial(
            run_episodes,
            _on_arrays(policy),
            seen,
            workers=workers,
            batch_size=batch_size,
            n_action_steps=n_action_steps,
            max_steps=max_steps,
            crew=hired,
            ensemble=blender,
        )
        blocks = _blocks(episodes, episodes if until is None else batch_size)
        results = _run_until_sure(run, policy, blocks, seed, until, film, moments, rater)
    wall_time_s = time.monotonic() - clock
    for result in results:
        if result.frames is not None and on_film:
            on_film(result, moments.get(result.index, []))
    return {
        **summarise([_plain(result) for result in results]),
        "environment": {"id": environment.id, "kwargs": dict(environment.kwargs)},
        "seed": seed,
        "n_action_steps": n_action_steps,
        "ensemble": ensemble,
        "until": until,
        **({} if delay is None else {"delay": {**vars(delay), **_steps_of(blends)}}),
        **({} if rater is None else rater.results()),
        "decoding": getattr(policy, "decoding", None),
        "wall_time_s": wall_time_s,
        "steps_per_s": sum(result.steps for result in results) / wall_time_s,
    }


def _kept(made: list[DelayedChunks], spec: ActionSpec, delay: Delay) -> DelayedChunks:
    made.append(DelayedChunks(spec, delay))
    return made[-1]


def _steps_of(blends: Sequence[DelayedChunks]) -> dict[str, float | None]:
    """Return how far targets move in a step, in tolerances: where chunks change (``jump``), and elsewhere."""
    jumps, moves = ([x for each in blends for x in getattr(each, name)] for name in ("jumps", "moves"))
    return {
        "jump": float(np.mean(jumps)) if jumps else None,
        "jump_95": float(np.quantile(jumps, 0.95)) if jumps else None,
        "move": float(np.mean(moves)) if moves else None,
    }


@contextmanager
def _draws_of(policy: Policy, seed: int) -> Iterator[None]:
    """Let what decoding=sample draws depend on the seed; a training that is being checked draws on undisturbed."""
    device = next(policy.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(stream_seed(seed, "evaluate"))
        yield


def _check(policy: Policy, episodes: int, n_action_steps: int) -> None:
    if episodes < 1:
        raise InputError(f"episodes must be at least 1, got {episodes}")
    if not 1 <= n_action_steps <= policy.horizon:
        raise InputError(f"n_action_steps must lie in 1..{policy.horizon} (the chunk length), got {n_action_steps}")


def _on_arrays(policy: Policy) -> Act:
    """Return the policy as a function of arrays (B, ...) to actions (B, T, A)."""

    def act(features: dict[str, np.ndarray]) -> np.ndarray:
        return policy.act(_observation(policy, features)).actions.cpu().numpy()

    return act


def _observation(policy: Policy, features: Mapping[str, np.ndarray]) -> Observation:
    """Return what the policy looks at, of features (B, ...)."""
    seen = {name: torch.from_numpy(features[name]) for name in policy.observation.names}
    tasks = tuple(features["task"].tolist()) if "task" in features else None
    prefix = None
    if PREFIX_STEPS in features:
        prefix = Prefix(torch.from_numpy(features[PREFIX_ACTIONS]), torch.from_numpy(features[PREFIX_STEPS]))
    return Observation(seen, tasks, prefix).to(next(policy.parameters()).device)


def _noter(policy: Policy, moments: dict[int, list[Moment]], first: int) -> OnChunk:
    """Return what notes the beliefs of filmed episodes, counted from `first`."""

    def note(index: int, step: int, features: dict[str, np.ndarray], chunk: np.ndarray) -> None:
        belief = next_action_belief(policy, _observation(policy, {name: x[None] for name, x in features.items()}))
        if belief is not None:
            moment = Moment(step, belief.values, belief.probabilities, chunk[0].copy())
            moments.setdefault(first + index, []).append(moment)

    return note


def _watcher(rater: Rater, first: int) -> Watch:
    """Return a rater for episodes counted from `first`."""
    return lambda index, steps, features: rater(first + index, steps, features)


def _run_until_sure(
    run: partial[list[EpisodeResult]],
    policy: Policy,
    blocks: Sequence[range],
    seed: int,
    until: float | None,
    film: Sequence[int],
    moments: dict[int, list[Moment]],
    rater: Rater | None,
) -> list[EpisodeResult]:
    """Run episodes, batch by batch if it may stop early, and note beliefs of filmed ones in `moments`."""
    results: list[EpisodeResult] = []
    with progress_bar(total=blocks[-1].stop, desc="evaluate", unit="episode") as progress:
        count = _counter(progress)
        for block in blocks:
            seeds = [stream_seed(seed, "evaluate", i) for i in block]
            filmed = [i - block.start for i in film if i in block]
            note = _noter(policy, moments, block.start)
            watch = None if rater is None else _watcher(rater, block.start)
            results += run(seeds, film=filmed, on_episode=count, on_chunk=note, watch=watch)
            if until is not None and _half_width(results) <= until:
                break
    return [replace(result, index=i) for i, result in enumerate(results)]


def _blocks(episodes: int, size: int) -> list[range]:
    return [range(start, min(start + size, episodes)) for start in range(0, episodes, size)]


def _half_width(results: Sequence[EpisodeResult]) -> float:
    valid = [result for result in results if result.outcome != "error"]
    low, high = wilson_interval(sum(result.outcome == "success" for result in valid), len(valid))
    return (high - low) / 2


def _counter(progress: tqdm) -> Callable[[EpisodeResult], None]:
    """Return what moves the bar on by an episode, and shows how many succeeded."""
    successes = 0

    def count(result: EpisodeResult) -> None:
        nonlocal successes
        successes += result.outcome == "success"
        progress.update()
        progress.set_postfix(success=f"{successes}/{progress.n}", refresh=False)

    return count


def _plain(result: EpisodeResult) -> dict[str, Any]:
    values = {k: v for k, v in vars(result).items() if k not in ("frames", "frames_hz")}
    start = {name: [round(x, 5) for x in numbers] for name, numbers in result.start.items()}
    finite = {key: values[key] if np.isfinite(values[key]) else None for key in ("jerk", "episode_return")}
    progress = {name: {"largest": largest, "last": last} for name, (largest, last) in result.progress.items()}
    return {**values, **finite, "progress": progress, "start": start}
