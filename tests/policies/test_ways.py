"""Modes of a chunk become ways to go. B batch, n positions, K modes."""

import math

import pytest
import torch

from dist2_robot.distances.points import TokenPoints
from dist2_robot.policies.ways import NEAR, WayFinder
from dist2_robot.types import Modes

L, V = 6, 41
LINE = TokenPoints.of_values(torch.linspace(-20.0, 20.0, V).repeat(L, 1))  # in tolerances; the axis is 20 long
CIRCLE = TokenPoints.of_values(torch.linspace(-20.0, 20.0, V), period=41.0)


def modes(weights, means):
    """Return modes of one chunk with weights (K,) and means (K,), the same at all positions, in tolerances."""
    at = torch.tensor(means)[None, None].expand(1, L, -1) / 20
    return Modes(torch.tensor([weights]).log(), at, torch.full_like(at, 0.1))


def gather(weights, means, **options):
    return WayFinder(LINE).gather(modes(weights, means), **options)


def test_modes_that_say_the_same_are_one_way():
    ways = gather([0.3, 0.3, 0.4], [5.0, 5.0, -15.0])
    assert int(ways.chosen) in (0, 1)  # 0.6 together, more than the heaviest single mode
    assert ways.weights[0].tolist() == pytest.approx([0.6, 0.6, 0.4], abs=1e-4)


def test_the_entropy_is_that_of_the_ways_and_not_of_the_modes():
    assert gather([0.25] * 4, [5.0] * 4).entropy.item() == pytest.approx(0.0, abs=1e-5)
    assert gather([0.25] * 4, [5.0, 5.0, -15.0, -15.0]).entropy.item() == pytest.approx(math.log(2), abs=1e-4)
    assert gather([0.25] * 4, [-18.0, -6.0, 6.0, 18.0]).entropy.item() == pytest.approx(math.log(4), abs=1e-2)


def test_near_is_told_by_the_root_mean_square_of_the_chunk():
    ways = gather([0.5, 0.5], [0.0, NEAR])
    assert ways.bundles[0, 0].exp()[1] / ways.bundles[0, 0].exp()[0] == pytest.approx(math.exp(-0.5), rel=1e-4)


def test_the_mean_of_a_bundle_is_among_what_it_holds():
    finder, three = WayFinder(LINE), modes([0.3, 0.3, 0.4], [5.0, 6.0, -15.0])
    ways = finder.gather(three)
    means = 20 * finder.means(ways, three)[0, :, 0]
    assert means.tolist() == pytest.approx([5.49, 5.51, -15.0], abs=0.02)


def test_on_a_circle_both_sides_of_the_seam_are_near():
    finder, two = WayFinder(CIRCLE), modes([0.5, 0.5], [20.0, -20.0])  # one tolerance apart
    ways = finder.gather(two)
    assert ways.entropy.item() < 0.1
    values = finder.to_values(finder.means(ways, two))
    assert ((values.abs() - 20.5).abs() < 0.6).all()  # at the seam, not at 0


def test_a_drawn_mode_is_drawn_by_its_weight():
    torch.manual_seed(0)
    many = Modes(*(x.expand(4000, *x.shape[1:]) for x in vars(modes([0.2, 0.8], [10.0, -10.0])).values()))
    assert WayFinder(LINE).gather(many, draw=True).chosen.double().mean().item() == pytest.approx(0.8, abs=0.03)
