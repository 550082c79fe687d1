"""Chunks of actions cut from episodes. B batch, K moments, T steps of a chunk, A action dimensions."""

import torch
from torch import Tensor

from dist2_robot.data.table import FrameTable
from dist2_robot.types import ACTION, Batch, Observation


class ChunkWindows:
    """For every frame the observation there and the T actions from there on, gathered from tensors in one go.

    Beyond the end of an episode its last action is repeated and marked as padding: the windows of LeRobot's
    ``delta_timestamps``, to the bit. With a history of K moments the observation is (B, K, ...), the present one last;
    before the beginning of an episode its first moment is repeated.
    """

    def __init__(self, table: FrameTable, frames: Tensor, horizon: int, history: int = 1) -> None:
        """Args: table: All frames. frames: The ones that windows start at. horizon: Steps of a chunk, T. history: K."""
        self.table = table
        self.frames = frames
        self.horizon = horizon
        self.history = history
        lengths = table.episode_ends - table.episode_starts
        self._first_frame = torch.repeat_interleave(table.episode_starts, lengths)  # (N,)
        self._last_frame = torch.repeat_interleave(table.episode_ends - 1, lengths)

    def __len__(self) -> int:
        return len(self.frames)

    def gather(self, indices: Tensor) -> Batch:
        """Return the windows with the given numbers (B,) as one batch."""
        return Batch(self._observe(self.frames[indices]), *self.chunks(indices))

    def chunks(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return only the actions of the windows with the given numbers, (B, T, A), and what is padding, (B, T)."""
        frames = self.frames[indices]
        steps = frames[:, None] + torch.arange(self.horizon)  # (B, T)
        last = self._last_frame[frames][:, None]
        return self.table.features[ACTION][steps.clamp(max=last)], steps > last

    def _observe(self, frames: Tensor) -> Observation:
        moments = frames
        if self.history > 1:
            back = torch.arange(1 - self.history, 1)
            moments = (frames[:, None] + back).clamp(min=self._first_frame[frames][:, None])  # (B, K)
        seen = {name: column[moments] for name, column in self.table.features.items() if name != ACTION}
        numbers = self.table.task_numbers[frames].tolist()
        tasks = tuple(self.table.tasks[n] for n in numbers) if self.table.tasks and min(numbers) >= 0 else None
        return Observation(seen, tasks)

    def __getitems__(self, indices: list[int]) -> Batch:
        """Let a torch DataLoader fetch a whole batch at once (with ``collate_fn=lambda batch: batch``)."""
        return self.gather(torch.as_tensor(indices))
