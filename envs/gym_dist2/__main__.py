"""List the tasks: what they ask for, what an action is, how often the scripted expert succeeds."""

import argparse
from pathlib import Path
from typing import Any

import gymnasium as gym
from tqdm import tqdm

from gym_dist2 import SO101_TASKS
from gym_dist2.metaworld_tasks import TASKS as METAWORLD_TASKS

OWN = [("PointAround", {}), ("PointChoice", {}), ("Grounding", {}), ("TablePlace", {})] + [
    (name, {"control": control}) for name in SO101_TASKS for control in ("joint", "hand")
]


def main() -> None:
    """Print one line a task."""
    parser = argparse.ArgumentParser(prog="python -m gym_dist2", description=__doc__)
    parser.add_argument("--episodes", type=int, default=20, help="of the expert in each task (default 20; 0: none)")
    parser.add_argument("--metaworld", action="store_true", help="Meta-World's fifty tasks too")
    parser.add_argument("--picture", type=Path, help="file to draw the expert's way through each task into, instead")
    arguments = parser.parse_args()
    tasks: list[tuple[str, dict[str, Any]]] = list(OWN)
    if arguments.metaworld:
        tasks += [("MetaWorld", {"task": task}) for task in METAWORLD_TASKS]
    if arguments.picture:
        draw(tasks, arguments.picture)
        return
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


def draw(tasks: list[tuple[str, dict[str, Any]]], file: Path) -> None:
    """Draw each task at the start, half-way and at the end of an episode of the expert."""
    import matplotlib.pyplot as plt

    shown = [(name, kwargs) for name, kwargs in tasks if kwargs.get("control") != "joint"]  # both look alike
    figure, axes = plt.subplots(len(shown), 3, figsize=(7.5, 2.5 * len(shown)), layout="constrained")
    for row, (name, kwargs) in zip(axes, tqdm(shown, unit="task", leave=False), strict=True):
        looks = {"visuals": "full"} if name in SO101_TASKS else {}
        arguments = {**kwargs, **looks, "render_mode": "rgb_array"}
        env: Any = gym.make(f"gym_dist2/{name}-v0", disable_env_checker=True, **arguments).unwrapped
        frames, is_over = [env.reset(seed=3) and env.render()], False
        while not is_over:
            _, _, terminated, truncated, info = env.step(env.expert_action())
            is_over = terminated or truncated or info["is_success"]
            frames.append(env.render())
        env.close()
        for axis, frame in zip(row, (frames[0], frames[len(frames) // 2], frames[-1]), strict=True):
            axis.imshow(frame)
            axis.set_axis_off()
        row[0].set_title(f"{name}: {env.task_description}", fontsize=9, loc="left")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    main()
