"""The shortest way on a curved space: the angle between two rotations, or the arc of a circle."""

import math
from typing import Any

import torch
from torch import Tensor

from dist2_robot.distances.difference import difference
from dist2_robot.distances.distance_error import DistanceError
from dist2_robot.distances.protocol import Distance

UNIT_ERROR = 1e-4  # how far from 1 the length of a quaternion may be, more than rounding to 32 bits leaves


class GeodesicDistance(Distance):
    """Rotation angle of unit quaternions (4 coordinates), or ``|a - b|`` the short way round (1 coordinate).

    Quaternions: ``d(q, q') = 2 arccos |<q, q'>| / tolerance_rad``, the angle of the rotation from one to the other, in
    [0, pi], divided by the tolerance. q and -q are one rotation. The points must be *unit* quaternions, in any order of
    their coordinates, and not divided by a tolerance, which is why the tolerance is an argument here. It is computed
    as ``4 arctan2(min |q -+ q'|, max |q -+ q'|)``: an arc cosine knows an angle near 0 to 1e-8 rad only.

    One coordinate: the arc, in the unit of the points; `tolerance_rad` plays no part.

    Negative type: on a line strictly. The arc of a circle is of negative type, but not strictly: its even harmonics are
    0, so mass may move between opposite points at no cost. The angle of rotations is *not* of negative type: of its
    coefficients in characters of SO(3) those of even l >= 2 are ``2 / (pi (l + 1)^2)``, positive (Venet, arXiv
    1612.05984, has the general reason: SO(3) is not simply connected). The energy loss needs a chord instead.
    """

    name = "geodesic"

    def __init__(self, tolerance_rad: float = 0.05, unit: str = "tolerance") -> None:
        """Args: tolerance_rad: The angle that matters, for quaternions only. unit: See `Distance`, for angles only."""
        super().__init__(unit)
        if not 0 < tolerance_rad < math.inf:
            raise ValueError(f"tolerance_rad must be positive and finite, got {tolerance_rad}")
        self.tolerance_rad = tolerance_rad

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        if a.shape[-1] == 1:
            return difference(a, b, period)[..., 0].abs()
        if a.shape[-1] != 4:
            raise DistanceError(
                f"the geodesic distance is of angles (1 coordinate) or unit quaternions (4), and these tokens have "
                f"{a.shape[-1]}: use distance=euclidean"
            )
        a, b = unit_quaternions(a), unit_quaternions(b)
        minus, plus = torch.linalg.vector_norm(a - b, dim=-1), torch.linalg.vector_norm(a + b, dim=-1)
        angle = 4 * torch.atan2(torch.minimum(minus, plus), torch.maximum(minus, plus))
        return angle / self.tolerance_rad

    def config(self) -> dict[str, Any]:
        return super().config() | {"tolerance_rad": self.tolerance_rad}


def unit_quaternions(quaternion: Tensor) -> Tensor:
    """Return quaternions (..., 4) without rounding in their length. Raises DistanceError where they are none."""
    length = torch.linalg.vector_norm(quaternion, dim=-1, keepdim=True)
    if not ((length - 1).abs() <= UNIT_ERROR).all():
        worst = length.flatten()[int(torch.argmax((length - 1).abs().flatten()))]
        raise DistanceError(
            f"tokens of 4 coordinates must be unit quaternions for a distance of rotations, and one has length "
            f"{float(worst):.6g}: use distance=euclidean"
        )
    return quaternion / length
