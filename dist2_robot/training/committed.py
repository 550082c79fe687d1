"""A random part of each chunk is given away, so that a policy learns to go on from it. B batch, A dimensions."""

from dataclasses import dataclass, replace

import torch

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.errors import InputError
from dist2_robot.types import Batch, Prefix


@dataclass(frozen=True)
class RandomPrefix:
    """Says of the first d true actions of each chunk that they are decided, d uniform in 0..P for every row.

    As in training-time action conditioning for real-time chunking (Black et al. 2025): d stands for the actions that a
    robot executes while the policy thinks, and the loss leaves them out.

    Attributes:
        spec: Tolerances and limits.
        most: P, the policy's ``max_prefix``.
        noise: Standard deviation of normal noise on the actions that are given, in tolerances: a robot executes what
            the policy said before, which is not quite what a demonstrator does.
    """

    spec: ActionSpec
    most: int
    noise: float = 0.0

    def __post_init__(self) -> None:
        noise = self.noise
        if isinstance(noise, bool) or not isinstance(noise, int | float) or not 0 <= noise < float("inf"):
            raise InputError(f"policy.prefix_noise must be a number of tolerances from 0 on, got {noise!r}")

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with a prefix; with P = 0 the same batch, and nothing is drawn."""
        if not self.most:
            return batch
        device = batch.actions.device
        steps = torch.randint(0, self.most + 1, (len(batch.actions),), device=device)
        actions = batch.actions[:, : self.most]
        if self.noise:
            columns = [[d.tolerance if d.constant is None else 0.0, d.low, d.high] for d in self.spec.dimensions]
            tolerance, low, high = torch.tensor(columns, dtype=actions.dtype, device=device).T
            moved = actions + self.noise * tolerance * torch.randn_like(actions)
            wraps = torch.tensor([d.wraps for d in self.spec.dimensions], device=device)
            actions = torch.where(wraps, moved, moved.clamp(low, high))
        return replace(batch, observation=replace(batch.observation, prefix=Prefix(actions, steps)))
