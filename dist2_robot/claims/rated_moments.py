"""Moments of good and bad episodes with what a rater would say of them. N moments, S stages of a task."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dist2_robot.actions.rating import RATING, rating_spec
from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.table import FrameTable
from dist2_robot.demonstrations.attempt import Conduct, attempt
from dist2_robot.rollouts.environment import EnvironmentSpec, action_spec, make_environment
from dist2_robot.seeding import stream_seed
from dist2_robot.types import ACTION

CONDUCT = Conduct(noise=0.1, lapses=0.6, keep_failures=True, rate=True)
CONTROL = {"control": "hand"}  # of the arm's tasks


@dataclass(frozen=True)
class RatedTask:
    """Attributes: table: Episodes, the rating in place of the action. spec: What a rating is."""

    table: FrameTable
    spec: ActionSpec


def rated_task(task: str, episodes: int, seed: int, folder: Path) -> RatedTask:
    """Return episodes of a task's expert, most of them with a lapse: from a file, or played and written there.

    Args:
        task: Name of an environment of gym_dist2.
        episodes: How many.
        seed: Of all draws.
        folder: Of the files.
    """
    env = make_environment(EnvironmentSpec(f"gym_dist2/{task}-v0", {} if task.startswith("Point") else CONTROL))
    try:
        spec = rating_spec(env.unwrapped.stages(), action_spec(env).rate_hz)  # type: ignore[attr-defined]
        path = folder / f"{task}-{episodes}-seed{seed}.safetensors"
        if not path.exists():
            _write(path, _play(env, episodes, seed))
    finally:
        env.close()
    return RatedTask(_table(load_file(path), task), spec)


def _play(env: Any, episodes: int, seed: int) -> dict[str, Tensor]:
    """Return the features of all moments, and under ``starts`` where episodes begin."""
    acting, found, k = action_spec(env), [], 0
    while len(found) < episodes:
        seeds = stream_seed(seed, "collect", k), stream_seed(seed, "noise", k)
        episode = attempt(env, acting, *seeds, CONDUCT).episode
        found += [episode.features] if episode is not None else []  # None where the simulation broke
        k += 1
    columns = {name: torch.cat([torch.from_numpy(one[name]) for one in found]) for name in found[0]}
    del columns[ACTION]
    lengths = torch.tensor([len(one[ACTION]) for one in found])
    return columns | {"starts": lengths.cumsum(0) - lengths}


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.unfinished")  # two workers may do the same work
    save_file(dict(tensors), unfinished)
    unfinished.replace(path)


def _table(tensors: dict[str, Tensor], task: str) -> FrameTable:
    starts, ratings = tensors.pop("starts"), tensors.pop(RATING)
    return FrameTable(
        features={**tensors, ACTION: ratings},
        episode_starts=starts,
        episode_ends=torch.cat([starts[1:], torch.tensor([len(ratings)])]),
        fingerprint="",
        tasks=(task,),
        task_numbers=torch.zeros(len(ratings), dtype=torch.long),
        parts=torch.zeros(len(starts), dtype=torch.long),
    )
