"""The shortest way on a curved space: the angle between two rotations, or the arc of a circle."""

import torch
from torch import Tensor

from dist2_robot.distances.rotation_distance import RotationDistance


class GeodesicDistance(RotationDistance):
    """Rotation angle of unit quaternions (4 coordinates), or ``|a - b|`` the short way round (1 coordinate).

    Quaternions: ``d(q, q') = 2 arccos |<q, q'>| / tolerance_rad``, the angle of the rotation from one to the other, in
    [0, pi], divided by the tolerance. q and -q are one rotation. It is computed as
    ``4 arctan2(min |q -+ q'|, max |q -+ q'|)``: an arc cosine knows an angle near 0 to 1e-8 rad only.

    One coordinate: the arc, in the unit of the points; `tolerance_rad` plays no part.

    Negative type: on a line strictly. The arc of a circle is of negative type, but not strictly: its even harmonics are
    0, so mass may move between opposite points at no cost. The angle of rotations is *not* of negative type: of its
    coefficients in characters of SO(3) those of even l >= 2 are ``2 / (pi (l + 1)^2)``, positive (Venet, arXiv
    1612.05984, has the general reason: SO(3) is not simply connected). The energy loss needs a chord instead.
    """

    name = "geodesic"

    def of_rotations(self, minus: Tensor, plus: Tensor) -> Tensor:
        return 4 * torch.atan2(torch.minimum(minus, plus), torch.maximum(minus, plus))

    def of_angles(self, arc: Tensor, period: float | None) -> Tensor:
        return arc
