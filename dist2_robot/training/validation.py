"""How far a policy is from demonstrations that it never saw, in physical units. B batch, T steps, A dimensions."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.data.windows import ChunkWindows
from dist2_robot.policies.policy import Policy

MAX_WINDOWS = 2048  # enough for two digits, and a second at most
BATCH_SIZE = 256


@dataclass(frozen=True)
class ValidationResult:
    """Attributes:
    loss: Of the training objective.
    action_error: Dimension -> mean absolute error, in its unit.
    action_error_by_step: (T,), mean over dimensions that move of error / tolerance.
    """

    loss: float
    action_error: dict[str, float]
    action_error_by_step: list[float]

    def record(self, policy: Policy) -> dict[str, Any]:
        """Return plain values for the log."""
        return {
            "loss": self.loss,
            "action_error": self.action_error,
            "action_error_by_step": self.action_error_by_step,
            "units": dict(zip(policy.spec.names, policy.spec.units, strict=True)),
        }


@torch.no_grad()
def validate(policy: Policy, loss: nn.Module, windows: ChunkWindows, device: torch.device) -> ValidationResult:
    """Compare what the policy would do with what was done, at up to 2,048 evenly spaced held-out frames."""
    count = min(len(windows), MAX_WINDOWS)
    indices = torch.linspace(0, len(windows) - 1, count).long()
    losses, errors, valid = [], [], []
    for part in indices.split(BATCH_SIZE):
        batch = windows.gather(part).to(device)
        losses.append(policy.loss(loss, batch).loss * len(part))
        errors.append(_absolute_error(policy, policy.act(batch.observation).actions, batch.actions))
        valid.append(~batch.is_padding)
    error, keep = torch.cat(errors).double(), torch.cat(valid)[..., None].double()  # (N, T, A), (N, T, 1)
    # What never moves is sent as it was recorded: it must not make the mean over dimensions smaller.
    scale = [1 / d.tolerance if d.constant is None else 0.0 for d in policy.spec.dimensions]
    scale = torch.tensor(scale, device=error.device) * len(policy.spec) / len(policy.spec.moving)
    by_dimension = (error * keep).sum((0, 1)) / keep.sum()
    by_step = (error * scale * keep).mean(-1).sum(0) / keep.sum((0, 2)).clamp(min=1)
    return ValidationResult(
        loss=float(torch.stack(losses).sum() / count),
        action_error=dict(zip(policy.spec.names, by_dimension.tolist(), strict=True)),
        action_error_by_step=by_step.tolist(),
    )


def _absolute_error(policy: Policy, predicted: Tensor, truth: Tensor) -> Tensor:
    """Return |predicted - truth|, the short way round where the dimension wraps."""
    error = (predicted - truth).abs()
    for i, dimension in enumerate(policy.spec.dimensions):
        if dimension.wraps:
            period = dimension.high - dimension.low
            error[..., i] = torch.minimum(error[..., i] % period, period - error[..., i] % period)
    return error
