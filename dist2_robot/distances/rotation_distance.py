"""What distances of rotations share: unit quaternions, angles, and the angle that matters.

A distance of rotations takes tokens of 4 coordinates, which must be unit quaternions in any order of their coordinates
and not divided by a tolerance, or of 1 coordinate, an angle or a number on a line.
"""

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from dist2_robot.distances.difference import difference
from dist2_robot.distances.distance_error import DistanceError
from dist2_robot.distances.protocol import Distance

UNIT_ERROR = 1e-4  # how far from 1 the length of a quaternion may be, more than rounding to 32 bits leaves


class RotationDistance(Distance):
    """Subclasses say what `of_rotations` and `of_angles` are."""

    def __init__(self, tolerance_rad: float = 0.05, unit: str = "tolerance") -> None:
        """Args: tolerance_rad: The angle that matters, for quaternions only. unit: See `Distance`, for angles only."""
        super().__init__(unit)
        if not 0 < tolerance_rad < math.inf:
            raise ValueError(f"tolerance_rad must be positive and finite, got {tolerance_rad}")
        self.tolerance_rad = tolerance_rad

    @abstractmethod
    def of_rotations(self, minus: Tensor, plus: Tensor) -> Tensor:
        """Return the distance in rad from ``|q - q'|`` and ``|q + q'|``."""

    @abstractmethod
    def of_angles(self, arc: Tensor, period: float | None) -> Tensor:
        """Return the distance from the arc, in its unit."""

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        if a.shape[-1] == 1:
            return self.of_angles(difference(a, b, period)[..., 0].abs(), period)
        if a.shape[-1] != 4:
            raise DistanceError(
                f"the {self.name} distance is of angles (1 coordinate) or unit quaternions (4), and these tokens have "
                f"{a.shape[-1]}: use distance=euclidean"
            )
        a, b = _unit(a), _unit(b)
        minus, plus = torch.linalg.vector_norm(a - b, dim=-1), torch.linalg.vector_norm(a + b, dim=-1)
        return self.of_rotations(minus, plus) / self.tolerance_rad

    def config(self) -> dict[str, Any]:
        return super().config() | {"tolerance_rad": self.tolerance_rad}


def _unit(quaternion: Tensor) -> Tensor:
    """Return quaternions (..., 4) without rounding in their length. Raises DistanceError where they are none."""
    length = torch.linalg.vector_norm(quaternion, dim=-1, keepdim=True)
    if not ((length - 1).abs() <= UNIT_ERROR).all():
        worst = length.flatten()[int(torch.argmax((length - 1).abs().flatten()))]
        raise DistanceError(
            f"tokens of 4 coordinates must be unit quaternions for a distance of rotations, and one has length "
            f"{float(worst):.6g}: use distance=euclidean"
        )
    return quaternion / length
