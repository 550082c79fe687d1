"""Tasks of one step, asked and answered by their scripted expert: pictures, words and right answers as a table."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.table import FrameTable
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.rollouts.environment import EnvironmentSpec, action_spec, make_environment, to_features
from dist2_robot.seeding import Stream, stream_seed
from dist2_robot.types import ACTION

POINTS = "points"  # feature: where the things that words name are seen, (N, P, 2), where an environment tells


def scenes(environment: str, options: Mapping[str, Any], split: Stream, seed: int, count: int) -> ChunkWindows:
    """Return the first scenes of a seed, a window each, with the expert's answers; drawn once in a process.

    Args:
        environment: A gymnasium id.
        options: Of its constructor.
        split: Which stream of seeds: ``pretrain``, ``train`` or ``evaluate``.
        seed: Of all scenes.
        count: How many, N.
    """
    return _drawn(environment, tuple(sorted(options.items())), split, seed, count)


def spec_of(environment: str, options: Mapping[str, Any]) -> ActionSpec:
    """Return what an answer is."""
    env = make_environment(EnvironmentSpec(environment, dict(options)))
    try:
        return action_spec(env)
    finally:
        env.close()


@lru_cache(maxsize=8)
def _drawn(
    environment: str, options: tuple[tuple[str, Any], ...], split: Stream, seed: int, count: int
) -> ChunkWindows:
    env = make_environment(EnvironmentSpec(environment, dict(options)))
    columns: dict[str, list[np.ndarray]] = {}
    tasks: list[str] = []
    try:
        for i in range(count):
            observation, _ = env.reset(seed=stream_seed(seed, split, i))
            answer = env.unwrapped.expert_action()  # type: ignore[attr-defined]
            tasks.append(env.unwrapped.task_description)  # type: ignore[attr-defined]
            told = {POINTS: env.unwrapped.points()} if hasattr(env.unwrapped, "points") else {}  # type: ignore[attr-defined]
            for name, value in {**to_features(observation), **told, ACTION: answer}.items():
                columns.setdefault(name, []).append(value)
    finally:
        env.close()
    known = list(dict.fromkeys(tasks))
    number = {task: i for i, task in enumerate(known)}
    table = FrameTable(
        features={name: torch.from_numpy(np.stack(values)) for name, values in columns.items()},
        episode_starts=torch.arange(count),
        episode_ends=torch.arange(count) + 1,
        fingerprint="",
        tasks=tuple(known),
        task_numbers=torch.tensor([number[task] for task in tasks]),
        parts=torch.zeros(count, dtype=torch.long),
    )
    return ChunkWindows(table, torch.arange(count), horizon=1)
