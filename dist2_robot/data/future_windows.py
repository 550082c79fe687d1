"""Windows that also show what comes of the actions. B batch, T steps of a chunk."""

from torch import Tensor

from dist2_robot.data.windows import ChunkWindows
from dist2_robot.types import Batch, Observation

NEXT = "next."  # before the name of a feature: what it is T steps later, as LeRobot names what comes after


class FutureWindows(ChunkWindows):
    """The same windows, each with a feature as it is T steps later; those that reach beyond an episode are left out.

    Args:
        windows: Cut from episodes, of one moment each.
        feature: What is shown later, e.g. a camera: ``next.observation.images.front``.
    """

    def __init__(self, windows: ChunkWindows, feature: str) -> None:
        super().__init__(windows.table, windows.frames, windows.horizon, windows.history)
        self.feature = feature
        self.frames = self.frames[self.frames + self.horizon <= self._last_frame[self.frames]]

    def gather(self, indices: Tensor) -> Batch:
        """Return the windows with the given numbers (B,) as one batch."""
        batch = super().gather(indices)
        later = self.table.features[self.feature][self.frames[indices] + self.horizon]
        seen = {**batch.observation.features, NEXT + self.feature: later}
        return Batch(Observation(seen, batch.observation.tasks), batch.actions, batch.is_padding)
