"""The chord in place of the arc: as good as the arc nearby, and what the energy score needs."""

import math

import torch
from torch import Tensor

from dist2_robot.distances.rotation_distance import RotationDistance


class ChordalDistance(RotationDistance):
    """Chord of unit quaternions (4 coordinates), of a circle, or ``|a - b|`` on a line (1 coordinate).

    Quaternions: ``d(q, q') = |q - q'| |q + q'| / tolerance_rad = 2 sin(angle / 2) / tolerance_rad``, which is the
    Frobenius norm of the difference of the two rotation matrices over sqrt(2) (Hartley 2013, Rotation Averaging,
    section 4.2). q and -q are one rotation.

    One coordinate that wraps: ``period / pi * |sin(pi (a - b) / period)|``, the chord of a circle with that
    circumference, in the unit of the points; `tolerance_rad` plays no part.

    A chord is a Euclidean distance, of matrices or of points of the plane, and so of strict negative type.
    """

    name = "chordal"

    def of_rotations(self, minus: Tensor, plus: Tensor) -> Tensor:
        return minus * plus

    def of_angles(self, arc: Tensor, period: float | None) -> Tensor:
        return arc if period is None else period / math.pi * torch.sin(math.pi * arc / period)
