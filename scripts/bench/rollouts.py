"""How much of what the cores can simulate an evaluation delivers, beside LeRobot's evaluation of the same environment.

    python scripts/bench/rollouts.py --task push-v3
    python scripts/bench/rollouts.py --env gym_dist2/Push-v0

In turn and several times, all with a policy that does nothing and without drawing: bare stepping of one environment in
one process, times the cores; `run_episodes` of ours; and what lerobot-eval does, `eval_policy` on gymnasium's vector
environment in as many processes as it would choose. Start-up, imports and the building of environments, is told apart.
"""

import argparse
import logging
import os
import statistics
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from rich.console import Console
from rich.table import Table

from dist2_robot.rollouts.environment import EnvironmentSpec, action_spec, make_environment
from dist2_robot.rollouts.runner import run_episodes

CHUNK, N_ACTION_STEPS = 8, 4  # the default of dist2-eval


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


def ours(spec: EnvironmentSpec, episodes: int, workers: int, batch_size: int, n_actions: int) -> tuple[float, float]:
    """Return steps per second of `run_episodes` after its first inference, and the seconds until then."""
    asked_at: list[float] = []

    def act(features: dict[str, np.ndarray]) -> np.ndarray:
        asked_at.append(time.perf_counter())
        return np.zeros((len(next(iter(features.values()))), CHUNK, n_actions), np.float32)

    started = time.perf_counter()
    results = run_episodes(
        act, spec, range(episodes), workers=workers, batch_size=batch_size, n_action_steps=N_ACTION_STEPS
    )
    ended = time.perf_counter()
    return sum(result.steps for result in results) / (ended - asked_at[0]), asked_at[0] - started


def main() -> None:
    """Measure in turn, print a table and the ratios of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="gym_dist2/MetaWorld-v0", help="a registered environment of gym_dist2")
    parser.add_argument("--task", help="task of MetaWorld-v0, e.g. push-v3")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes of ours, one a core")
    parser.add_argument("--episodes", type=int, default=48)
    parser.add_argument("--batch-size", type=int, default=16, help="environments that run at a time, in ours")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    from lerobot_rollouts import lerobots  # not at the top: the process of `bare` shall not import it

    logging.disable()

    spec = EnvironmentSpec(arguments.env, {"task": arguments.task} if arguments.task else {})
    n_actions = len(action_spec(make_environment(spec)))
    rows = []
    for repeat in range(arguments.repeats):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:  # as free of other imports as a worker
            single = pool.submit(bare, spec, max(2, arguments.episodes // 8)).result()
        mine, my_start = ours(spec, arguments.episodes, arguments.workers, arguments.batch_size, n_actions)
        theirs = lerobots(spec, arguments.episodes, n_actions)
        spread = lerobots(spec, arguments.episodes, n_actions, arguments.workers)
        rows.append((arguments.workers * single, mine, my_start, *theirs, *spread))
        print(f"repeat {repeat}: {', '.join(f'{x:.1f}' for x in rows[-1])}", flush=True)
    cores, mine, my_start, theirs, their_start, spread, spread_start = (
        statistics.median(column) for column in zip(*rows, strict=True)
    )

    table = Table(title=f"{arguments.task or arguments.env}, {arguments.episodes} episodes, medians of {len(rows)}")
    for column in ("", "steps / s", "of bare stepping", "start-up"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row(f"bare stepping x {arguments.workers} cores", f"{cores:.0f}", "1.00", "")
    table.add_row("run_episodes", f"{mine:.0f}", f"{mine / cores:.2f}", f"{my_start:.1f} s")
    table.add_row("lerobot-eval, its own choice", f"{theirs:.0f}", f"{theirs / cores:.2f}", f"{their_start:.1f} s")
    table.add_row("lerobot-eval, one a core", f"{spread:.0f}", f"{spread / cores:.2f}", f"{spread_start:.1f} s")
    Console().print(table)
    print(f"run_episodes over lerobot-eval: {mine / theirs:.2f}, and {mine / spread:.2f} with one environment a core")


if __name__ == "__main__":
    main()
