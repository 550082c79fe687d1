"""How much of what the cores can simulate `run_episodes` delivers.

    python scripts/bench/rollouts.py --task push-v3 --workers 2

Beside each other, in turn and several times: bare stepping of one environment in one process times the cores; bare
stepping in that many processes at once, which is what a shared machine has; and `run_episodes` with a policy that
does nothing, from starting its workers to ending them.
"""

import argparse
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from dist2_robot.rollouts.environment import EnvironmentSpec, action_spec, make_environment
from dist2_robot.rollouts.runner import run_episodes

CHUNK = 8


def bare(spec: EnvironmentSpec, episodes: int) -> float:
    """Return steps per second of one environment in this process, resets included, start-up not."""
    env = make_environment(spec)
    action = np.zeros(len(action_spec(env)), np.float32)
    steps, started = 0, time.perf_counter()
    for seed in range(episodes):
        env.reset(seed=seed)
        is_over = False
        while not is_over:
            _, _, terminated, truncated, _ = env.step(action)
            is_over = terminated or truncated
            steps += 1
    return steps / (time.perf_counter() - started)


def bare_at_once(spec: EnvironmentSpec, episodes: int, processes: int) -> float:
    """Return the summed steps per second of several processes that do the same side by side."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return sum(pool.map(bare, [spec] * processes, [episodes] * processes))


def rollouts(
    spec: EnvironmentSpec, episodes: int, workers: int, batch_size: int, n_actions: int
) -> tuple[float, float]:
    """Return steps per second of an evaluation, start-up included, and the seconds of start-up."""
    chunk = np.zeros((batch_size, CHUNK, n_actions), np.float32)
    asked_at: list[float] = []

    def act(features: dict[str, np.ndarray]) -> np.ndarray:
        asked_at.append(time.perf_counter())
        return chunk

    started = time.perf_counter()
    results = run_episodes(act, spec, range(episodes), workers=workers, batch_size=batch_size, n_action_steps=CHUNK)
    return sum(result.steps for result in results) / (time.perf_counter() - started), asked_at[0] - started


def main() -> None:
    """Measure in turn, print a table and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="push-v3")
    parser.add_argument("--workers", type=int, default=2, help="processes, one a core")
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    spec = EnvironmentSpec("gym_dist2/MetaWorld-v0", {"task": arguments.task})
    n_actions = len(action_spec(make_environment(spec)))
    few = max(1, arguments.episodes // 8)
    rows = []
    print(f"{'repeat':>6} {'bare x cores':>14} {'bare at once':>14} {'run_episodes':>14}   steps/s   start-up")
    for repeat in range(arguments.repeats):
        single = arguments.workers * bare(spec, few)
        at_once = bare_at_once(spec, few, arguments.workers)
        delivered, startup_s = rollouts(spec, arguments.episodes, arguments.workers, arguments.batch_size, n_actions)
        rows.append((at_once, delivered))
        print(f"{repeat:>6} {single:>14.0f} {at_once:>14.0f} {delivered:>14.0f} {'':>9} {startup_s:>8.1f} s")
    at_once, delivered = (statistics.median(column) for column in zip(*rows, strict=True))
    print(
        f"ratio: {delivered / at_once:.2f} run_episodes, start-up included, over bare stepping in {arguments.workers} "
        f"processes at once ({arguments.task}, {arguments.episodes} episodes)"
    )


if __name__ == "__main__":
    main()
