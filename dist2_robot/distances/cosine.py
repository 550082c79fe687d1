"""How far the directions of two code vectors differ."""

import torch
from torch import Tensor

from dist2_robot.distances.distance_error import DistanceError
from dist2_robot.distances.protocol import Distance


class CosineDistance(Distance):
    """``d(a, b) = 1 - cos(a, b)``, in [0, 2], for codebooks whose code vectors mean their direction.

    Computed as half the squared distance of the unit vectors, which is exact where they nearly agree and never
    negative. The lengths of vectors, and so their unit, play no part. Discussed with VQ codebooks in arXiv 2503.02379.

    Of negative type, as squared Euclidean distances are, but not strictly for more than D + 1 codes.
    """

    name = "cosine"

    def __init__(self, unit: str = "tolerance") -> None:
        super().__init__(unit)
        if unit != "tolerance":
            raise ValueError("the cosine distance compares code vectors, which have no bins: use unit=tolerance")

    def __call__(self, a: Tensor, b: Tensor, period: float | None = None) -> Tensor:
        if a.shape[-1] < 2 or period is not None:
            raise DistanceError(
                "the cosine distance is of code vectors, and these tokens are numbers: use distance=absolute"
            )
        return (_direction(a) - _direction(b)).square().sum(-1) / 2


def _direction(vectors: Tensor) -> Tensor:
    """Return unit vectors (..., D). Raises DistanceError where a vector has no direction."""
    largest = vectors.abs().amax(dim=-1, keepdim=True)
    if not (largest > 0).all():
        raise DistanceError("a code vector of zeros has no direction to compare: use distance=euclidean")
    scaled = vectors / largest  # the squares of tiny numbers are zero
    return scaled / torch.linalg.vector_norm(scaled, dim=-1, keepdim=True)
