"""LeRobot's batches to ours. B batch, K moments, T steps of a chunk, A action dimensions."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dist2_robot.types import ACTION, ENVIRONMENT_STATE, STATE, Batch, Observation, ObservationSpec


def to_observation(batch: Mapping[str, Any], wanted: ObservationSpec) -> Observation:
    """Return what a policy looks at of a batch.

    LeRobot has numbers as we do, and pictures (B, ..., 3, height, width) from 0 to 1. Robots in ``lerobot-rollout``
    have one vector of all they sense: where a policy knows an environment state and there is none, the end of a state
    of just so many more numbers is taken for it.

    Raises:
        ValueError: A feature is missing, or not of the length that it had in training.
    """
    features = {
        name: _vectors(batch[name].float(), size, wanted.history)
        for name, size in wanted.numbers.items()
        if name in batch
    }
    if ENVIRONMENT_STATE in wanted.numbers and ENVIRONMENT_STATE not in batch and STATE in features:
        features |= _split(features[STATE], wanted)
    if missing := [name for name in wanted.names if name not in features and name not in batch]:
        raise ValueError(f"'{missing[0]}' is missing: the policy was trained with it")
    for name in wanted.pictures:
        features[name] = (batch[name].movedim(-3, -1) * 255).round()
    return Observation(features, _tasks(batch, next(iter(features.values())).shape[0]) if wanted.tasks else None)


def to_batch(batch: Mapping[str, Any], wanted: ObservationSpec) -> Batch:
    """Return observations with the chunks that were done; without ``action_is_pad`` nothing is padding."""
    actions = batch[ACTION].float()
    actions = actions[..., None] if actions.ndim == 2 else actions  # (B, T, A)
    is_padding = batch.get("action_is_pad")
    if is_padding is None:
        is_padding = torch.zeros(actions.shape[:2], dtype=torch.bool, device=actions.device)
    return Batch(to_observation(batch, wanted), actions, is_padding.bool())


def _vectors(x: Tensor, size: int, history: int) -> Tensor:
    """Return (B, size) or (B, K, size).

    LeRobot's datasets give vectors of length 1 as plain numbers, so a batch of them is (B,), which its pipeline then
    takes for one vector that lacks a batch and makes (1, B).
    """
    if size != 1:
        return x
    if history == 1:
        return x.reshape(-1, 1)
    return x if x.shape[-1] == 1 and x.ndim > 1 else x[..., None]


def _split(state: Tensor, wanted: ObservationSpec) -> dict[str, Tensor]:
    sizes = [wanted.numbers.get(STATE, 0), wanted.numbers[ENVIRONMENT_STATE]]
    if state.shape[-1] != sum(sizes):
        raise ValueError(
            f"the policy was trained with '{STATE}' of {sizes[0]} numbers and '{ENVIRONMENT_STATE}' of {sizes[1]}; "
            f"there is only a state of {state.shape[-1]}, not of {sum(sizes)}"
        )
    own, environment = state.split(sizes, dim=-1)
    return {STATE: own, ENVIRONMENT_STATE: environment}


def _tasks(batch: Mapping[str, Any], rows: int) -> tuple[str, ...] | None:
    """Return what each row is to do; None where nobody says."""
    tasks = batch.get("task")
    tasks = [tasks] * rows if isinstance(tasks, str) else tasks
    return tuple(tasks) if tasks and all(tasks) else None
