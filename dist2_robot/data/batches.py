"""An endless stream of batches whose every batch is a function of (seed, step) alone."""

from collections.abc import Iterator

import torch

from dist2_robot.data.windows import ChunkWindows
from dist2_robot.seeding import stream_seed
from dist2_robot.types import Batch


class BatchStream:
    """Epochs of shuffled windows, the last incomplete batch of each left out.

    Since batch `step` depends on nothing that was drawn before, resuming needs no state but the step.
    """

    def __init__(self, windows: ChunkWindows, batch_size: int, seed: int) -> None:
        self.windows = windows
        self.batch_size = min(batch_size, len(windows))
        self.seed = seed
        self.batches_per_epoch = len(windows) // self.batch_size

    def from_step(self, step: int) -> Iterator[Batch]:
        """Yield batch `step` and all that follow."""
        epoch, offset = divmod(step, self.batches_per_epoch)
        while True:
            generator = torch.Generator().manual_seed(stream_seed(self.seed, "train", epoch))
            order = torch.randperm(len(self.windows), generator=generator)
            for batch in range(offset, self.batches_per_epoch):
                yield self.windows.gather(order[batch * self.batch_size : (batch + 1) * self.batch_size])
            epoch, offset = epoch + 1, 0
