"""Distances of tokens that are vectors: codes of a codebook, and levels of a grid."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.cosine import CosineDistance
from dist2_robot.distances.distance_error import DistanceError
from dist2_robot.distances.euclidean import EuclideanDistance
from dist2_robot.distances.lattice import LatticeDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance

GROUP = torch.tensor([0])
numbers = st.floats(-100, 100)
vectors = st.integers(2, 5).flatmap(
    lambda d: st.tuples(*[st.lists(numbers, min_size=d, max_size=d).filter(any) for _ in range(3)])
)


def codebook(count=40, coordinates=5, scale=1.0):
    codes = scale * torch.randn(1, count, coordinates, dtype=torch.float64)
    return TokenPoints(codes, GROUP)


def grid(*levels):
    steps = torch.tensor(list(product(*map(range, levels))), dtype=torch.float64)
    return TokenPoints(steps[None] / 3, GROUP, lattice=steps[None])


def test_a_codebook_has_its_euclidean_distances():
    points = codebook()
    codes = points.points[0].tolist()
    expected = torch.tensor([[math.dist(a, b) for b in codes] for a in codes])
    assert torch.allclose(points.distances(EuclideanDistance()).distances[0], expected)


@pytest.mark.parametrize("coordinates", [1, 2, 8])
def test_the_mean_squared_error_is_the_squared_distance_over_the_number_of_coordinates(coordinates):
    points = codebook(coordinates=coordinates)
    mean = points.distances(EuclideanDistance(squared=True)).distances
    assert torch.allclose(mean, points.distances(SquaredDistance()).distances / coordinates)


@given(vectors)
def test_vectors_keep_the_axioms(abc):
    a, b, c = torch.tensor(abc, dtype=torch.float64)
    for distance in (EuclideanDistance(), EuclideanDistance(squared=True), CosineDistance(), LatticeDistance()):
        assert distance(a, b).item() == pytest.approx(distance(b, a).item(), abs=1e-12)
        assert distance(a, b) >= 0
        assert distance(a, a) == 0
    for metric in (EuclideanDistance(), LatticeDistance()):
        assert metric(a, c) <= metric(a, b) + metric(b, c) + 1e-9


@given(vectors)
def test_the_cosine_distance_is_one_minus_the_cosine(abc):
    a, b, _ = abc
    lengths = math.hypot(*a) * math.hypot(*b)
    if lengths > 1e-200:
        cosine = math.sumprod(a, b) / lengths
        found = CosineDistance()(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)).item()
        assert found == pytest.approx(1 - cosine, abs=1e-12)
        assert found <= 2 + 1e-12


@given(st.floats(1e-9, math.pi), st.floats(1e-3, 1e3))
def test_the_cosine_distance_knows_directions_only_and_those_exactly(angle, length):
    a = torch.tensor([1.0, 0.0], dtype=torch.float64)
    b = length * torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    assert CosineDistance()(a, b).item() == pytest.approx(2 * math.sin(angle / 2) ** 2, rel=1e-6)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (TokenPoints(torch.eye(3)[None] - torch.eye(3)[0], GROUP), "a code vector of zeros .* use distance=euclidean"),
        (TokenPoints.of_values(torch.arange(1.0, 5.0)), "these tokens are numbers"),
        (TokenPoints.of_values(torch.arange(1.0, 5.0), period=4.0), "these tokens are numbers"),
    ],
)
def test_tokens_without_a_direction_are_refused_in_one_line(points, message):
    with pytest.raises(DistanceError, match=rf"^[^\n]*{message}[^\n]*$"):
        points.distances(CosineDistance())


def test_the_lattice_distance_counts_steps_from_level_to_level():
    points = grid(4, 3, 2)
    table = points.distances(LatticeDistance()).distances[0]
    levels = list(product(range(4), range(3), range(2)))
    for (v, a), (w, b) in product(enumerate(levels), repeat=2):
        assert table[v, w] == sum(abs(x - y) for x, y in zip(a, b, strict=True))


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(1, 12))
def test_levels_that_wrap_are_counted_the_short_way_round(a, b, period):
    steps = LatticeDistance()(torch.tensor([a, 0.0]).double(), torch.tensor([b, 1.0]).double(), float(period))
    there = (a - b) % period
    assert steps.item() == min(there, period - there) + (period > 1)


def test_codes_have_no_steps_to_count():
    with pytest.raises(DistanceError, match="no bins to count"):
        codebook().distances(LatticeDistance())


def test_each_knows_its_unit():
    with pytest.raises(ValueError, match="use unit=bins"):
        LatticeDistance(unit="tolerance")
    with pytest.raises(ValueError, match="use unit=tolerance"):
        CosineDistance(unit="bins")
