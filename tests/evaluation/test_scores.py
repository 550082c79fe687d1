"""Scores against sums over all pairs, closed forms and known shares."""

import math

import pytest
import torch

from dist2_robot.evaluation.scores import (
    circular_mean,
    coverage,
    crps,
    negative_log_likelihood,
    standard_deviation,
)


def distributions(n: int, v: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(2 * torch.randn(n, v, generator=generator, dtype=torch.float64), -1)


def arcs(a: torch.Tensor, b: torch.Tensor, period: float) -> torch.Tensor:
    away = (a - b).abs() % period
    return torch.minimum(away, period - away)


@pytest.mark.parametrize("period", [None, 5.0])
def test_crps_is_the_sum_over_all_pairs(period):
    p, generator = distributions(7, 11), torch.Generator().manual_seed(1)
    values = torch.rand(11, generator=generator, dtype=torch.float64).sort().values * 4.9 - 2
    truth = torch.rand(7, generator=generator, dtype=torch.float64) * 9 - 4
    distance = (lambda a, b: (a - b).abs()) if period is None else (lambda a, b: arcs(a, b, period))
    to_truth = (p * distance(values, truth[:, None])).sum(-1)
    of_pairs = torch.einsum("ni,nj,ij->n", p, p, distance(values[:, None], values))
    torch.testing.assert_close(crps(p, values, truth, period), to_truth - of_pairs / 2)


def test_crps_on_a_circle_holds_where_values_lie_opposite_of_each_other():
    values, p = torch.arange(8.0).double(), distributions(5, 8)
    truth = torch.tensor([0.0, 3.0, 7.9, 4.5, -1.0]).double()
    of_pairs = torch.einsum("ni,nj,ij->n", p, p, arcs(values[:, None], values, 8.0))
    expected = (p * arcs(values, truth[:, None], 8.0)).sum(-1) - of_pairs / 2
    torch.testing.assert_close(crps(p, values, truth, 8.0), expected)


@pytest.mark.parametrize(("period", "error"), [(None, 1.75), (2.0, 0.25)])
def test_crps_of_a_point_is_the_absolute_error_the_short_way_round(period, error):
    values = torch.tensor([-0.9, 0.0, 0.9])
    point = torch.tensor([[0.0, 0.0, 1.0]])
    assert crps(point, values, torch.tensor([-0.85]), period).item() == pytest.approx(error, abs=1e-6)


@pytest.mark.parametrize("y", [0.0, 0.3, 1.0, 1.4])
def test_crps_of_a_uniform_distribution_is_its_closed_form(y):
    v = 4000
    values = (torch.arange(v, dtype=torch.float64) + 0.5) / v
    closed = y * y - y + 1 / 3 if y <= 1 else y - 2 / 3  # of U(0, 1)
    found = crps(torch.full((1, v), 1 / v, dtype=torch.float64), values, torch.tensor([y], dtype=torch.float64))
    assert found.item() == pytest.approx(closed, abs=1e-6)


def test_crps_is_least_for_the_distribution_that_the_truth_is_drawn_from():
    p, values = distributions(1, 6), torch.linspace(-1, 1, 6).double()
    for period in (None, 2.4):
        mean = [(p[0] * crps(q.expand(6, -1), values, values, period)).sum() for q in (p, *distributions(30, 6, 3))]
        assert min(mean) == mean[0]


def test_likelihood_is_a_density_whatever_the_bins():
    # A normal density, cut into few and into many bins of different widths: the same nats.
    normal = torch.distributions.Normal(torch.tensor(0.2).double(), torch.tensor(0.5).double())
    truth = torch.tensor([0.21, -0.4, 1.0]).double()
    for count in (400, 1600):
        edges = torch.sinh(torch.linspace(-2.5, 2.5, count + 1).double())
        masses = normal.cdf(edges).diff().log().expand(3, -1)
        tokens = torch.searchsorted(edges, truth) - 1
        found = negative_log_likelihood(masses, tokens, edges.diff())
        torch.testing.assert_close(found, -normal.log_prob(truth), atol=0.02, rtol=0)
    uniform = negative_log_likelihood(torch.full((1, 4), math.log(0.25)), torch.tensor([2]), torch.full((4,), 5.0))
    assert uniform.item() == pytest.approx(math.log(20.0))


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("bins", [2, 5, 200])
def test_intervals_hold_their_share_of_what_is_drawn_from_the_distribution(share, bins):
    p = distributions(1, bins, seed=4)
    every = coverage(p.expand(bins, -1), torch.arange(bins), share)
    assert (p[0] * every).sum().item() == pytest.approx(share)  # exact: the mean over all that can come
    around = torch.tensor([bins // 3]).expand(bins)
    assert (p[0] * coverage(p.expand(bins, -1), torch.arange(bins), share, around)).sum().item() == pytest.approx(share)


def test_a_policy_that_is_too_sure_covers_a_known_share():
    # Truths are uniform over 100 bins, and the policy believes in the middle 40 of them: 50 % of its mass are 20 bins.
    p = torch.zeros(100, dtype=torch.float64)
    p[30:70] = 1 / 40
    tokens = torch.arange(100)
    assert coverage(p.expand(100, -1), tokens, 0.5).mean().item() == pytest.approx(0.20)
    assert coverage(p.expand(100, -1), tokens, 0.9).mean().item() == pytest.approx(0.36)


def test_on_a_circle_the_interval_lies_round_the_middle_of_the_distribution():
    p = torch.zeros(1, 12, dtype=torch.float64)
    p[0, [10, 11, 0, 1]] = torch.tensor([0.1, 0.4, 0.4, 0.1]).double()  # across the seam
    middle = circular_mean(p, torch.arange(12.0), 12.0)
    assert middle.item() == pytest.approx(11.5)
    inside = [coverage(p, torch.tensor([k]), 0.8, torch.tensor([11])).item() for k in (9, 10, 11, 0, 1, 2)]
    assert inside == pytest.approx([0, 0, 1, 1, 0, 0], abs=1e-6)


def test_the_standard_deviation_of_angles_knows_the_seam():
    angles = torch.tensor([3.1, -3.1, 3.1, -3.1])
    assert standard_deviation(angles, 2 * math.pi) == pytest.approx(math.pi - 3.1, rel=1e-5)
    assert standard_deviation(angles) == pytest.approx(3.1)
