"""Collect episodes of a scripted expert, in parallel."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.util import Finalize

import gymnasium as gym

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.episode import Episode
from dist2_robot.demonstrations.attempt import Attempt, Conduct, attempt
from dist2_robot.errors import InputError
from dist2_robot.rollouts.environment import EnvironmentSpec, action_spec, close_environment, make_environment
from dist2_robot.rollouts.process import SPAWN, bare_main, leave_interrupts_to_parent
from dist2_robot.seeding import stream_seed


def collect_episodes(
    environment: EnvironmentSpec,
    episodes: int,
    seed: int,
    *,
    conduct: Conduct = Conduct(),  # noqa: B008 it is frozen
    workers: int,
    max_attempts: int | None = None,
    on_attempt: Callable[[int, Attempt], None] | None = None,
) -> Iterator[Episode]:
    """Yield episodes of the environment's expert, a function of the seed whatever the number of workers.

    Attempt k resets the environment and draws its noise with seeds of its own; episodes come in the order of attempts.

    Args:
        environment: Where the expert acts.
        episodes: How many to collect.
        seed: Seed of the whole collection.
        conduct: How the expert behaves, and what is kept.
        workers: How many processes simulate.
        max_attempts: When to give up; by default three attempts an episode and ten more.
        on_attempt: Called with the number and the outcome of each attempt, in order.

    Raises:
        InputError: The environment cannot be built, or its expert succeeds too rarely.
    """
    limit = 3 * episodes + 10 if max_attempts is None else max_attempts
    pool = ProcessPoolExecutor(workers, mp_context=SPAWN, initializer=_start, initargs=(environment,))
    under_way: deque[Future[Attempt]] = deque()
    submitted = collected = tried = 0
    last_message = ""
    try:
        while collected < episodes:
            while submitted < limit and len(under_way) < 2 * workers:
                with bare_main():
                    seeds = stream_seed(seed, "collect", submitted), stream_seed(seed, "noise", submitted)
                    under_way.append(pool.submit(_attempt, *seeds, conduct))
                submitted += 1
            if not under_way:
                raise InputError(
                    f"the expert of {environment} succeeded in only {collected} of {tried} attempts (noise "
                    f"{conduct.noise:g}; last failure: {last_message}); lower the noise, or choose another task"
                )
            outcome = under_way.popleft().result()
            if on_attempt is not None:
                on_attempt(tried, outcome)
            tried += 1
            last_message = outcome.message or last_message
            if outcome.episode is not None:
                collected += 1
                yield outcome.episode
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# A worker process builds its environment once.
_spec: EnvironmentSpec | None = None
_made: tuple[gym.Env, ActionSpec] | None = None


def _start(spec: EnvironmentSpec) -> None:
    global _spec
    leave_interrupts_to_parent()
    _spec = spec


def _attempt(seed: int, noise_seed: int, conduct: Conduct) -> Attempt:
    global _made
    if _made is None:
        assert _spec is not None
        env = make_environment(_spec)
        Finalize(None, close_environment, (env,), exitpriority=0)  # when the process ends
        _made = env, action_spec(env)
    return attempt(*_made, seed, noise_seed, conduct)
