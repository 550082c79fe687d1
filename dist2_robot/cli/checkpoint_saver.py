"""What a training writes its checkpoints with."""

import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from dist2_robot.checkpoints.golden import GOLDEN_FILE, golden_tensors
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.provenance import provenance
from dist2_robot.checkpoints.store import prune_checkpoints, save_checkpoint
from dist2_robot.cli.dataset import TrainingData
from dist2_robot.policies.learner import Learner
from dist2_robot.policies.policy import Policy
from dist2_robot.rollouts.environment import EnvironmentSpec
from dist2_robot.training.state import STATE_FILE
from dist2_robot.types import Batch, Observation, Prefix

KEPT_CHECKPOINTS = 2
WALL_TIME = "wall_time_s"  # in the provenance of a checkpoint: of the whole training up to it


class CheckpointSaver:
    """Writes a checkpoint, with how long the training took up to then, and keeps the last two.

    Args:
        output: The run folder.
        data: What is learned from.
        environments: What for.
        policy: As it is built; its weights are of no account.
        before_s: How long the training took before this process, to the checkpoint that it goes on from.
    """

    def __init__(
        self,
        output: Path,
        data: TrainingData,
        environments: Sequence[EnvironmentSpec],
        policy: Learner,
        before_s: float = 0.0,
    ) -> None:
        self._began = time.monotonic() - before_s
        self.output, self.data, self.environments, self.config = output, data, environments, policy.config()
        self.policy = deepcopy(policy).eval()  # for the averaged weights; those in training may be shared out
        self.provenance = provenance()

    def __call__(self, model: dict[str, Tensor], state: dict[str, Tensor], step: int) -> None:
        self.write(self.output / "checkpoints" / f"step_{step:07d}", model, step, {STATE_FILE: state})
        prune_checkpoints(self.output, KEPT_CHECKPOINTS)

    def write(
        self,
        folder: Path,
        model: dict[str, Tensor],
        step: int,
        extra: Mapping[str, Mapping[str, Tensor]] | None = None,
    ) -> None:
        """Write one checkpoint of weights and step, and more tensors by file."""
        self.policy.load_state_dict(model)
        windows = self.data.held_out if len(self.data.held_out) else self.data.training
        batch = windows.gather(torch.linspace(0, len(windows) - 1, 4).long())
        seen, golden = self.golden(batch)
        manifest = Manifest(
            policy=self.config,
            action_spec=self.policy.spec.to_dict(),
            observation_names=self.data.observation_names,
            observation_units=self.data.observation_units,
            environments=[{"id": each.id, "kwargs": dict(each.kwargs)} for each in self.environments],
            tasks=list(self.data.table.tasks),
            dataset=self.data.describe(),
            step=step,
            provenance={**self.provenance, WALL_TIME: time.monotonic() - self._began},
            golden_tasks=list(seen.tasks or ()),
        )
        save_checkpoint(folder, manifest, model, {GOLDEN_FILE: golden, **(extra or {})})

    def golden(self, batch: Batch) -> tuple[Observation, dict[str, Tensor]]:
        """Return what is observed in some windows, and what the policy does about it."""
        policy = self.policy
        assert isinstance(policy, Policy)
        seen = batch.observation
        if most := policy.max_prefix:  # from nothing to all that it can be given
            steps = torch.linspace(0, most, len(batch.actions)).round().long()
            seen = replace(seen, prefix=Prefix(batch.actions[:, :most], steps))
        seen = seen.to(next(policy.parameters()).device)
        return seen, golden_tensors(policy, seen)
