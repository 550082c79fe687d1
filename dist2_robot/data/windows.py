"""Chunks of actions cut from episodes. B batch, T steps of a chunk, A action dimensions."""

import torch
from torch import Tensor

from dist2_robot.data.table import FrameTable
from dist2_robot.types import ACTION, Batch, Observation


class ChunkWindows:
    """For every frame the observation there and the T actions from there on, gathered from tensors in one go.

    Beyond the end of an episode its last action is repeated and marked as padding: the windows of LeRobot's
    ``delta_timestamps``, to the bit.
    """

    def __init__(self, table: FrameTable, frames: Tensor, horizon: int) -> None:
        """Args: table: All frames. frames: The ones that windows start at. horizon: Steps of a chunk, T."""
        self.table = table
        self.frames = frames
        self.horizon = horizon
        lengths = table.episode_ends - table.episode_starts
        self._last_frame = torch.repeat_interleave(table.episode_ends - 1, lengths)  # (N,)

    def __len__(self) -> int:
        return len(self.frames)

    def gather(self, indices: Tensor) -> Batch:
        """Return the windows with the given numbers (B,) as one batch."""
        frames = self.frames[indices]
        steps = frames[:, None] + torch.arange(self.horizon)  # (B, T)
        last = self._last_frame[frames][:, None]
        features = self.table.features
        observation = Observation({name: column[frames] for name, column in features.items() if name != ACTION})
        return Batch(observation, features[ACTION][steps.clamp(max=last)], steps > last)

    def __getitems__(self, indices: list[int]) -> Batch:
        """Let a torch DataLoader fetch a whole batch at once (with ``collate_fn=lambda batch: batch``)."""
        return self.gather(torch.as_tensor(indices))
