"""What a policy expects to be off, and what it is, on recorded episodes.

T steps of a chunk, M action dimensions that move.
"""

from pathlib import Path

import numpy as np
import torch

from dist2_robot.checkpoints.store import load_policy
from dist2_robot.cli.held_out import recorded_data
from dist2_robot.errors import InputError

MAX_CHUNKS = 1024  # evenly spaced over the data
BATCH_SIZE = 128


@torch.no_grad()
def expected_and_real(checkpoint: Path | str, root: str) -> np.ndarray:
    """Return (K, 2, M), expected and real error in tolerances of each step that is no padding.

    Of the dimensions that move: what never does in the recordings is not predicted.

    Args:
        checkpoint: Folder of the policy.
        root: A dataset folder; best one that the policy did not learn from.

    Raises:
        InputError: They do not go together, or the policy has no belief of single numbers.
    """
    policy, _ = load_policy(checkpoint)
    data = recorded_data(policy, root)
    if data.spec.names != policy.spec.names:
        raise InputError(f"dataset '{root}' has the actions {data.spec.names}, the policy {policy.spec.names}")
    windows, columns = data.training, [i for i, d in enumerate(policy.spec.dimensions) if d.constant is None]
    tolerances = torch.tensor([d.tolerance for d in policy.spec.dimensions])
    indices = torch.linspace(0, len(windows) - 1, min(len(windows), MAX_CHUNKS)).long()
    pairs = []
    for part in indices.split(BATCH_SIZE):
        batch = windows.gather(part)
        chunk = policy.act(batch.observation)
        if chunk.expected_error is None:
            raise InputError(
                f"the policy '{checkpoint}' believes nothing of single numbers, there is no error to expect"
            )
        real = (chunk.actions - batch.actions).abs()
        for i, d in enumerate(policy.spec.dimensions):
            if d.wraps:
                real[..., i] = torch.minimum(real[..., i], d.high - d.low - real[..., i])
        both = (torch.stack([chunk.expected_error, real], dim=-2) / tolerances)[..., columns]  # (B, T, 2, M)
        pairs.append(both[~batch.is_padding])
    return torch.cat(pairs).numpy()
