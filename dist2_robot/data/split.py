"""Which episodes teach and which ones test."""

import torch

from dist2_robot.seeding import stream_seed


def split_episodes(episodes: int, validation_share: float, seed: int) -> tuple[list[int], list[int]]:
    """Return the episodes to train on and those held out, each in ascending order; whole episodes, never frames.

    At least one episode is held out if the share is above zero and there are two or more.
    """
    if not 0.0 <= validation_share < 1.0:
        raise ValueError(f"the validation share must lie in [0, 1), got {validation_share}")
    held_out = 0
    if validation_share > 0 and episodes > 1:
        held_out = min(max(1, round(validation_share * episodes)), episodes - 1)
    order = torch.randperm(episodes, generator=torch.Generator().manual_seed(stream_seed(seed, "validate")))
    return sorted(order[held_out:].tolist()), sorted(order[:held_out].tolist())
