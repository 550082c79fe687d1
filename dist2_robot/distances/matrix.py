"""The user's own distances, from a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from dist2_robot.distances.distance_error import DistanceError
from dist2_robot.distances.distance_file import read_distances
from dist2_robot.distances.protocol import Distance


class MatrixDistance(Distance):
    """``d(v, w) = table[v, w]``, or ``table[g, v, w]`` with one table for each group of positions (V tokens, G groups).

    For costs that no formula knows, e.g. how far two codes of a learned tokenizer are in the task. It knows tokens and
    not values. In the unit of the file.

    The energy loss checks whether a table is strictly of negative type, and refuses it if not.
    """

    name = "matrix"

    def __init__(self, path: str | None = None, unit: str = "tolerance") -> None:
        """Read the table. Raises DistanceError where the file holds none.

        Args:
            path: A .npy, .csv or .json file of (V, V) or (G, V, V) distances: see `read_distances`.
            unit: ``tolerance``: what the numbers of the file count is the file's own affair.
        """
        super().__init__(unit)
        if unit != "tolerance":
            raise ValueError("the matrix distance is in the unit of its file: leave unit=tolerance")
        if not isinstance(path, str) or not path:
            raise DistanceError("the matrix distance needs a file: give distance.path=FILE (.npy, .csv or .json)")
        self.path = path
        self.distances = read_distances(Path(path).expanduser())  # (G, V, V)

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        raise DistanceError("the matrix distance knows tokens and no values: use distance=squared")

    def table(self, points: Tensor, period: float | None = None) -> Tensor:
        return self.tables(points[None], [period])[0]

    def tables(self, points: Tensor, periods: Sequence[float | None], valid: Tensor | None = None) -> Tensor:
        groups, vocab_size = points.shape[:2]
        have, size = self.distances.shape[:2]
        if size != vocab_size:
            raise DistanceError(f"'{self.path}' has distances of {size} tokens, and there are {vocab_size}")
        if have not in (1, groups):
            raise DistanceError(f"'{self.path}' has tables for {have} groups of positions, and there are {groups}")
        return self.distances.to(points.device).expand(groups, -1, -1)

    def config(self) -> dict[str, Any]:
        return super().config() | {"path": self.path}
