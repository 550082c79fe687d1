"""List the tasks: what they ask for, what an action is, how often the scripted expert succeeds."""

import argparse
from typing import Any

import gymnasium as gym
from tqdm import tqdm

from gym_dist2 import SO101_TASKS
from gym_dist2.metaworld_tasks import TASKS as METAWORLD_TASKS

OWN = [("PointAround", {}), ("PointChoice", {})] + [
    (name, {"control": control}) for name in SO101_TASKS for control in ("joint", "hand")
]


def main() -> None:
    """Print one line a task."""
    parser = argparse.ArgumentParser(prog="python -m gym_dist2", description=__doc__)
    parser.add_argument("--episodes", type=int, default=20, help="of the expert in each task (default 20; 0: none)")
    parser.add_argument("--metaworld", action="store_true", help="Meta-World's fifty tasks too")
    arguments = parser.parse_args()
    tasks: list[tuple[str, dict[str, Any]]] = list(OWN)
    if arguments.metaworld:
        tasks += [("MetaWorld", {"task": task}) for task in METAWORLD_TASKS]
    rows = [["environment", "steps", "Hz", "action", "expert", "task"]]
    for name, kwargs in tqdm(tasks, unit="task", leave=False):
        rows.append(_row(f"gym_dist2/{name}-v0", kwargs, arguments.episodes))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(name: str, kwargs: dict[str, Any], episodes: int) -> list[str]:
    env: Any = gym.make(name, disable_env_checker=True, **kwargs).unwrapped
    spec, steps = env.metadata["action_spec"], getattr(env, "time_limit", getattr(env, "_max_episode_steps", "?"))
    units = {dimension["unit"]: None for dimension in spec["dimensions"]}
    done = sum(expert_succeeds(env, seed) for seed in range(episodes))
    options = "".join(f" {key}={value}" for key, value in kwargs.items())
    action = f"{len(spec['dimensions'])} {spec['control_mode']}, {'/'.join(units)}"
    row = [name + options, str(steps), f"{spec['rate_hz']:g}", action, f"{done}/{episodes}", env.task_description]
    env.close()
    return row


def expert_succeeds(env: Any, seed: int) -> bool:
    """Let the scripted expert run one episode, to its first success."""
    env.reset(seed=seed)
    while True:
        _, _, terminated, truncated, info = env.step(env.expert_action())
        if info["is_success"]:
            return True
        if terminated or truncated:
            return False


if __name__ == "__main__":
    main()
