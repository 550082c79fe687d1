"""Distance tables that the laws of losses are tried on, and the same random numbers in every run."""

import pytest
import torch
from torch import Tensor

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.protocol import Distance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.table import DistanceTable


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tabulate(distance: Distance, points: Tensor, period: float | None = None) -> DistanceTable:
    """Return the table of two positions over points (V,): the second measures in units half as long."""
    points = points.double()[:, None]  # (V, 1)
    near = distance(points[:, None], points[None, :], period)
    near = (near + near.T) / 2
    return DistanceTable(torch.stack([near, 2 * near]).float(), torch.tensor([0, 1]))


UNEVEN = torch.tensor([0.0, 0.5, 0.7, 2.0, 3.5, 3.6])
ANGLES = torch.arange(6.0)


@pytest.fixture
def squared() -> DistanceTable:
    return tabulate(SquaredDistance(), UNEVEN)


@pytest.fixture
def line() -> DistanceTable:
    return tabulate(AbsoluteDistance(), UNEVEN)


@pytest.fixture
def circle() -> DistanceTable:
    return tabulate(AbsoluteDistance(), ANGLES, period=6.0)


@pytest.fixture
def plane() -> DistanceTable:
    """Euclidean distances of code vectors, which have no order."""
    codes = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    distances = torch.cdist(codes, codes)
    distances = (distances + distances.T) / 2
    return DistanceTable(distances[None].float(), torch.tensor([0, 0]))


@pytest.fixture
def uneven() -> TokenPoints:
    """Return tokens of unequal width at two positions, the second measured in units half as long."""
    return TokenPoints.of_values(torch.stack([UNEVEN, 2 * UNEVEN]))


@pytest.fixture
def ring() -> TokenPoints:
    """Return six tokens on a circle, the same at any number of positions."""
    return TokenPoints.of_values(ANGLES, period=6.0)
