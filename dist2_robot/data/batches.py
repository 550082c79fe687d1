"""An endless stream of batches whose every batch is a function of (seed, step) alone."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from dist2_robot.data.windows import ChunkWindows
from dist2_robot.seeding import stream_seed
from dist2_robot.types import Batch


class BatchStream:
    """Epochs of shuffled windows, the last incomplete batch of each left out; or draws of several datasets by weight.

    Since batch `step` depends on nothing that was drawn before, resuming needs no state but the step. Of several
    processes each gets its part of the same batches.

    Args:
        windows: What to draw from.
        batch_size: Windows of a batch, of all processes together.
        seed: Of the order.
        weights: How often each dataset of the windows is drawn from, relative to the others; a window of it is then
            drawn at random, with replacement. None for all windows alike, in epochs.
        process: Which part of every batch to give.
        processes: How many parts there are.

    Raises:
        ValueError: A batch cannot be cut into so many parts, or there is not one weight for each dataset.
    """

    def __init__(
        self,
        windows: ChunkWindows,
        batch_size: int,
        seed: int,
        *,
        weights: Sequence[float] | None = None,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self.windows = windows
        self.batch_size = min(batch_size, len(windows)) // processes * processes
        if batch_size % processes or not self.batch_size:
            raise ValueError(f"a batch of {min(batch_size, len(windows))} cannot be cut into {processes} equal parts")
        self.seed = seed
        self.batches_per_epoch = len(windows) // self.batch_size
        part = self.batch_size // processes
        self._part = slice(process * part, (process + 1) * part)
        self._weights = None
        if weights is not None:
            self._members = _windows_by_dataset(windows)
            if not _are_weights(weights, len(self._members)):
                raise ValueError(
                    f"{len(self._members)} datasets need as many weights from 0 up, not all of them 0, got {weights!r}"
                )
            self._weights = torch.tensor(weights, dtype=torch.float64)

    def from_step(self, step: int) -> Iterator[Batch]:
        """Yield batch `step` and all that follow."""
        for indices in self._drawn(step) if self._weights is not None else self._shuffled(step):
            yield self.windows.gather(indices[self._part])

    def _shuffled(self, step: int) -> Iterator[Tensor]:
        epoch, offset = divmod(step, self.batches_per_epoch)
        while True:
            order = torch.randperm(len(self.windows), generator=self._generator(epoch))
            for batch in range(offset, self.batches_per_epoch):
                yield order[batch * self.batch_size : (batch + 1) * self.batch_size]
            epoch, offset = epoch + 1, 0

    def _drawn(self, step: int) -> Iterator[Tensor]:
        assert self._weights is not None
        while True:
            generator = self._generator(step)
            datasets = torch.multinomial(self._weights, self.batch_size, replacement=True, generator=generator)
            places = torch.rand(self.batch_size, dtype=torch.float64, generator=generator)
            pairs = zip(datasets.tolist(), places.tolist(), strict=True)
            yield torch.stack([self._members[d][int(place * len(self._members[d]))] for d, place in pairs])
            step += 1

    def _generator(self, index: int) -> torch.Generator:
        return torch.Generator().manual_seed(stream_seed(self.seed, "train", index))


def _are_weights(weights: Any, count: int) -> bool:
    if not isinstance(weights, Sequence) or len(weights) != count:
        return False
    numbers = [w for w in weights if isinstance(w, int | float) and not isinstance(w, bool) and 0 <= w < math.inf]
    return len(numbers) == count and sum(numbers) > 0


def _windows_by_dataset(windows: ChunkWindows) -> list[Tensor]:
    """Return of each dataset the numbers of the windows in it. Raises ValueError where one has none."""
    table = windows.table
    dataset_of_frame = torch.repeat_interleave(table.parts, table.episode_ends - table.episode_starts)
    dataset = dataset_of_frame[windows.frames]
    members = [(dataset == part).nonzero()[:, 0] for part in range(int(table.parts.max()) + 1)]
    if empty := [part + 1 for part, some in enumerate(members) if not len(some)]:
        raise ValueError(f"dataset number {empty[0]} has no episode to learn from: use more episodes of it")
    return members
