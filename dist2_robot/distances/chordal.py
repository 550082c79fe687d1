"""The chord in place of the arc: as good as the arc nearby, and what the energy score needs."""

import math
from typing import Any

import torch
from torch import Tensor

from dist2_robot.distances.difference import difference
from dist2_robot.distances.distance_error import DistanceError
from dist2_robot.distances.geodesic import unit_quaternions
from dist2_robot.distances.protocol import Distance


class ChordalDistance(Distance):
    """Chord of unit quaternions (4 coordinates), of a circle, or ``|a - b|`` on a line (1 coordinate).

    Quaternions: ``d(q, q') = |q - q'| |q + q'| / tolerance_rad = 2 sin(angle / 2) / tolerance_rad``, which is the
    Frobenius norm of the difference of the two rotation matrices over sqrt(2) (Hartley 2013, Rotation Averaging,
    section 4.2). q and -q are one rotation.

    One coordinate that wraps: ``period / pi * |sin(pi (a - b) / period)|``, the chord of a circle with that
    circumference, in the unit of the points; `tolerance_rad` plays no part.

    A chord is a Euclidean distance, of matrices or of points of the plane, and so of strict negative type.
    """

    name = "chordal"

    def __init__(self, tolerance_rad: float = 0.05, unit: str = "tolerance") -> None:
        """Args: tolerance_rad: The angle that matters, for quaternions only. unit: See `Distance`, for angles only."""
        super().__init__(unit)
        if not 0 < tolerance_rad < math.inf:
            raise ValueError(f"tolerance_rad must be positive and finite, got {tolerance_rad}")
        self.tolerance_rad = tolerance_rad

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        if a.shape[-1] == 1:
            arc = difference(a, b, period)[..., 0].abs()
            return arc if period is None else period / math.pi * torch.sin(math.pi * arc / period)
        if a.shape[-1] != 4:
            raise DistanceError(
                f"the chordal distance is of angles (1 coordinate) or unit quaternions (4), and these tokens have "
                f"{a.shape[-1]}: use distance=euclidean"
            )
        a, b = unit_quaternions(a), unit_quaternions(b)
        chord = torch.linalg.vector_norm(a - b, dim=-1) * torch.linalg.vector_norm(a + b, dim=-1)
        return chord / self.tolerance_rad

    def config(self) -> dict[str, Any]:
        return super().config() | {"tolerance_rad": self.tolerance_rad}
