"""Which distances the energy loss can use: ``sum c_i c_j d_ij <= 0`` for all c that sum to zero, strictly or not."""

import math
from itertools import product

import pytest
import torch
from scipy.spatial.transform import Rotation

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.chordal import ChordalDistance
from dist2_robot.distances.circular import CircularDistance
from dist2_robot.distances.cosine import CosineDistance
from dist2_robot.distances.euclidean import EuclideanDistance
from dist2_robot.distances.geodesic import GeodesicDistance
from dist2_robot.distances.huber import HuberDistance
from dist2_robot.distances.lattice import LatticeDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.random import RandomDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.losses.energy import EnergyLoss

GROUP = torch.tensor([0])
STRICT, NEGATIVE, NOT = "strictly", "of negative type", "not of negative type"


def on_line(count=24):
    return TokenPoints.of_values(torch.arange(float(count)))


def on_circle(count=24):
    return TokenPoints.of_values(torch.arange(float(count)), period=float(count))


def on_grid():
    steps = torch.tensor(list(product(range(4), range(5))), dtype=torch.float64)[None]
    return TokenPoints(steps, GROUP, lattice=steps)


def codes():
    return TokenPoints(torch.randn(1, 30, 3, generator=torch.Generator().manual_seed(0)).double(), GROUP)


def rotations():
    return TokenPoints(torch.from_numpy(Rotation.random(300, rng=0).as_quat())[None], GROUP)


def largest_eigenvalue(table):
    """Return the largest eigenvalue of d on the vectors that sum to zero, as a share of the smallest one's size."""
    table = table.double()
    basis = torch.linalg.svd(torch.ones(1, len(table), dtype=torch.float64)).Vh[1:]  # orthonormal, each sums to zero
    eigenvalues = torch.linalg.eigvalsh(basis @ table @ basis.T)
    return float(eigenvalues[-1] / eigenvalues[0].abs())


CLAIMS = [
    (AbsoluteDistance(), on_line, STRICT),
    (AbsoluteDistance(), on_circle, STRICT),  # the chord
    (EuclideanDistance(), codes, STRICT),
    (GeodesicDistance(), on_line, STRICT),
    (ChordalDistance(), on_line, STRICT),
    (ChordalDistance(), on_circle, STRICT),
    (ChordalDistance(), rotations, STRICT),
    (LatticeDistance(), on_line, STRICT),
    (RandomDistance(of="absolute"), on_line, STRICT),
    (SquaredDistance(), on_line, NEGATIVE),
    (CircularDistance(), on_circle, NEGATIVE),
    (EuclideanDistance(squared=True), codes, NEGATIVE),
    (CosineDistance(), codes, NEGATIVE),
    (GeodesicDistance(), on_circle, NEGATIVE),
    (LatticeDistance(), on_circle, NEGATIVE),
    (LatticeDistance(), on_grid, NEGATIVE),
    (SquaredDistance(), on_circle, NOT),
    (HuberDistance(3.0), on_line, NOT),
    (GeodesicDistance(), rotations, NOT),
]


@pytest.mark.parametrize(("distance", "tokens", "claim"), CLAIMS, ids=lambda x: getattr(x, "name", None))
def test_each_distance_is_of_the_type_that_its_docstring_claims(distance, tokens, claim):
    table = tokens().distances(distance)
    largest = largest_eigenvalue(table.distances[0])
    if claim == STRICT:
        assert largest < -1e-4
        EnergyLoss(table)
    else:
        assert abs(largest) < 1e-6 if claim == NEGATIVE else largest > 1e-3
        with pytest.raises(ValueError, match="negative type"):
            EnergyLoss(table)


def test_on_an_arc_mass_moves_between_opposite_points_at_no_cost():
    table = on_circle(4).distances(GeodesicDistance()).distances[0]
    moved = torch.tensor([1.0, -1.0, 1.0, -1.0])
    assert (moved @ table @ moved).item() == pytest.approx(0, abs=1e-6)
    chord = on_circle(4).distances(AbsoluteDistance()).distances[0]
    assert (moved @ chord @ moved).item() == pytest.approx(4 * (4 / math.pi) * (1 - math.sqrt(2)), rel=1e-5)
