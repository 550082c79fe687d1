"""The loss of demonstrations that a policy never saw."""

import torch
from torch import nn

from dist2_robot.data.windows import ChunkWindows
from dist2_robot.policies.policy import Policy

MAX_WINDOWS = 2048  # enough for two digits, and a second at most
BATCH_SIZE = 256


@torch.no_grad()
def held_out_loss(
    policy: Policy, loss: nn.Module, windows: ChunkWindows, device: torch.device, *, batch_size: int = BATCH_SIZE
) -> float:
    """Return the loss of up to 2,048 evenly spaced held-out windows.

    It is a mean over what there is to predict, so that each batch counts by how much of that it holds: the result is
    that of all windows at once, for losses that are such means.
    """
    indices = torch.linspace(0, len(windows) - 1, min(len(windows), MAX_WINDOWS)).long()
    total = count = torch.zeros((), dtype=torch.float64, device=device)
    for part in indices.split(batch_size):
        batch = windows.gather(part).to(device)
        here = policy.count(batch).double()
        total, count = total + policy.loss(loss, batch).loss.double() * here, count + here
    return float(total / count)
