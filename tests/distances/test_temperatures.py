"""Temperatures that make targets as uncertain, or as wide, as wanted. G groups of positions, V tokens."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dist2_robot.distances import matched_temperature
from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.circular import CircularDistance
from dist2_robot.distances.cosine import CosineDistance
from dist2_robot.distances.entropy_temperature import EntropyTemperature
from dist2_robot.distances.euclidean import EuclideanDistance
from dist2_robot.distances.huber import HuberDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.random import RandomDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.table import DistanceTable
from dist2_robot.distances.target import soft_targets
from dist2_robot.distances.temperature import FixedTemperature
from dist2_robot.distances.width_temperature import WidthTemperature


def line(distance=None, count=64, groups=3):
    """Return distances of bins on a line, in each group a tenth wider, in [0, 100)."""
    values = torch.arange(count, dtype=torch.float64) * 100 / count
    scale = 1 + torch.arange(groups, dtype=torch.float64) / 10
    return TokenPoints.of_values(scale[:, None] * values).distances(distance or SquaredDistance())


def code(distance):
    points = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(0)).double()
    return TokenPoints(points, torch.arange(2)).distances(distance)


def some_lack_tokens():
    tokens = line(count=40)
    valid = torch.ones(3, 40, dtype=torch.bool)
    valid[1, 17:] = False
    valid[2, ::2] = False
    return DistanceTable(tokens.distances, tokens.groups, valid, power=2.0)


def uneven():
    """Return distances of tokens of which some nearly meet and others are far away."""
    gaps = 10 ** torch.linspace(-5, 3, 30, dtype=torch.float64)
    return TokenPoints.of_values(
        gaps[torch.randperm(30, generator=torch.Generator().manual_seed(1))].cumsum(0)
    ).distances(AbsoluteDistance())


TABLES = {
    "line": line(),
    "absolute": line(AbsoluteDistance()),
    "huber": line(HuberDistance()),
    "random": line(RandomDistance()),
    "circle": TokenPoints.of_values(torch.arange(64.0), period=64.0).distances(CircularDistance()),
    "code": code(EuclideanDistance()),
    "mean squared error": code(EuclideanDistance(squared=True)),
    "cosine": code(CosineDistance()),
    "uneven": uneven(),
    "lacking": some_lack_tokens(),
}


def valid_of(table):
    everything = torch.ones(table.distances.shape[:2], dtype=torch.bool)
    return everything if table.valid is None else table.valid


def entropies(table, tau):
    """Return the mean entropy of the targets of each group's tokens, one by one."""
    target = soft_targets(table, tau)
    return [-torch.xlogy(p, p).sum(-1)[valid].mean().item() for p, valid in zip(target, valid_of(table), strict=True)]


def widths(table, tau):
    """Return the root of the mean expected distance from the inner half of each group's tokens, one by one."""
    found = []
    for p, d, valid in zip(soft_targets(table, tau), table.distances.double(), valid_of(table), strict=True):
        p, d = p[valid][:, valid], d[valid][:, valid]
        inner = d.mean(1).argsort()[: (len(d) + 1) // 2]
        found.append((p * d).sum(1)[inner].mean().item() ** (1 / table.power))
    return found


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
@pytest.mark.parametrize("share", [1e-3, 0.1, 0.5, 0.9, 0.999])
def test_targets_have_the_entropy_that_is_wanted(table, share):
    wanted = share * math.log(int(valid_of(table).sum(1).min()))
    assert entropies(table, EntropyTemperature(wanted)) == pytest.approx([wanted] * len(table.distances), abs=1e-6)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
@pytest.mark.parametrize("share", [1e-3, 0.1, 0.5, 0.9, 0.999])
def test_targets_are_as_wide_as_wanted(table, share):
    wanted = share * min(widths(table, 1e9))  # uniform targets
    assert widths(table, WidthTemperature(wanted)) == pytest.approx([wanted] * len(table.distances), rel=1e-4)


@given(st.floats(0.05, 4.0), st.floats(0.05, 4.0), st.sampled_from(["line", "circle", "absolute"]))
@settings(deadline=None, max_examples=25)
def test_more_entropy_takes_a_higher_temperature(one, other, name):
    low, high = sorted((one, other))
    assert (EntropyTemperature(low)(TABLES[name]) <= EntropyTemperature(high)(TABLES[name])).all()


@given(st.floats(0.01, 14.0), st.floats(0.01, 14.0), st.sampled_from(["line", "circle", "absolute"]))
@settings(deadline=None, max_examples=25)
def test_more_width_takes_a_higher_temperature(one, other, name):
    low, high = sorted((one, other))
    assert (WidthTemperature(low)(TABLES[name]) <= WidthTemperature(high)(TABLES[name])).all()


@pytest.mark.parametrize("statistic", [entropies, widths])
@given(st.floats(0.01, 1000), st.floats(1.01, 10), st.sampled_from(sorted(TABLES)))
@settings(deadline=None, max_examples=25)
def test_entropy_and_width_grow_with_the_temperature(statistic, tau, factor, name):
    before, after = statistic(TABLES[name], tau), statistic(TABLES[name], factor * tau)
    assert all(a <= b + 1e-9 for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("width", [0.5, 1.0, 4.0])
def test_with_fine_bins_squares_are_a_gaussian_of_that_width(width):
    table = line(SquaredDistance(), count=1024, groups=1)  # ten bins a tolerance
    assert WidthTemperature(width)(table).item() == pytest.approx(2 * width**2, rel=1e-4)
    # Without edges, as on a circle, entropy and width take the same tau.
    circle = TokenPoints.of_values(torch.arange(1024.0) / 10, period=102.4).distances(SquaredDistance())
    wanted = 0.5 * math.log(2 * math.pi * math.e * (10 * width) ** 2)
    assert EntropyTemperature(wanted)(circle).item() == pytest.approx(2 * width**2, rel=1e-3)


def test_with_fine_bins_differences_are_a_laplace_distribution_of_that_width():
    assert WidthTemperature(2.0)(line(AbsoluteDistance(), 1024, 1)).item() == pytest.approx(2.0, rel=1e-3)


def test_a_width_of_a_codebook_counts_all_coordinates():
    steps = torch.cartesian_prod(torch.arange(40.0), torch.arange(40.0)).double()
    table = TokenPoints(steps[None], torch.tensor([0])).distances(SquaredDistance())
    assert WidthTemperature(2.0)(table).item() == pytest.approx(2.0**2, rel=0.02)  # 2 coordinates of variance tau / 2


def test_two_tokens_have_their_closed_forms():
    table = DistanceTable(torch.tensor([[[0.0, 3.0], [3.0, 0.0]]]), torch.tensor([0]))
    tau = 0.7
    other = 1 / (1 + math.exp(3 / tau))  # mass on the wrong token
    entropy = -other * math.log(other) - (1 - other) * math.log(1 - other)
    assert EntropyTemperature(entropy)(table).item() == pytest.approx(tau, rel=1e-6)
    assert WidthTemperature(3 * other)(table).item() == pytest.approx(tau, rel=1e-6)


@given(st.floats(1e-3, 1e3), st.floats(0.2, 3.5))
@settings(deadline=None, max_examples=25)
def test_distances_in_another_unit_take_tau_in_that_unit(scale, wanted):
    table = TABLES["line"]
    scaled = DistanceTable(table.distances * scale, table.groups, power=2.0)
    expected = EntropyTemperature(wanted)(table) * scale
    assert torch.allclose(EntropyTemperature(wanted)(scaled), expected, rtol=1e-5)
    expected = WidthTemperature(wanted)(table) * scale
    assert torch.allclose(WidthTemperature(wanted * math.sqrt(scale))(scaled), expected, rtol=1e-5)


@pytest.mark.parametrize("temperature", [EntropyTemperature(1.7), WidthTemperature(9.0)])
@pytest.mark.parametrize("name", ["line", "code", "lacking"])
def test_a_group_is_on_its_own(monkeypatch, temperature, name):
    if name == "code" and isinstance(temperature, WidthTemperature):
        temperature = WidthTemperature(1.0)
    table = TABLES[name]
    together = temperature(table)
    assert together.dtype == torch.float64
    for group, tau in enumerate(together):
        valid = valid_of(table)[group]
        alone = table.distances[group][valid][:, valid][None]
        assert temperature(DistanceTable(alone, torch.tensor([0]), power=table.power)).item() == pytest.approx(
            tau.item(), rel=1e-5
        )
    monkeypatch.setattr(matched_temperature, "_CHUNK", 100)
    assert torch.allclose(temperature(table), together, rtol=1e-5)


@pytest.fixture
def looks(monkeypatch):
    """Return what counts how often a temperature looks at the distances before it is found."""
    calls = []
    moments = matched_temperature._moments
    monkeypatch.setattr(matched_temperature, "_moments", lambda *args: calls.append(1) or moments(*args))

    def count(temperature, distances):
        calls.clear()
        temperature(DistanceTable(distances, torch.arange(len(distances))))
        return len(calls)

    return count


@pytest.mark.parametrize("temperature", [EntropyTemperature(2.0), WidthTemperature(1.0), EntropyTemperature(1e-6)])
@pytest.mark.parametrize("count", [16, 256])
def test_it_is_found_in_few_looks_at_the_distances(looks, temperature, count):
    assert 0 < looks(temperature, line(count=count, groups=1).distances) <= 25


def test_a_group_that_is_done_waits_for_the_others(looks):
    """All tokens are 3 apart in one group, whose search starts at tau = 3; the wanted entropy is the one there."""
    alike = 3 * (1 - torch.eye(30))[None]
    wanted = entropies(DistanceTable(alike, torch.tensor([0])), 3.0)[0]
    for other in (line(count=30, groups=1).distances, uneven().distances):
        together = torch.cat([alike, other])
        assert looks(EntropyTemperature(wanted), together) == looks(EntropyTemperature(wanted), other)
        tau = EntropyTemperature(wanted)(DistanceTable(together, torch.arange(2)))
        assert tau[0].item() == pytest.approx(3.0, rel=1e-9)


@pytest.mark.parametrize(
    ("temperature", "message"),
    [
        (
            EntropyTemperature(3.0),
            r"no temperature gives targets of 3\.0 nats.* 17 tokens of group 1 .* less than 2\.833",
        ),
        (EntropyTemperature(math.log(17)), "17 tokens of group 1"),
        (EntropyTemperature(9.7), "40 tokens of group 0"),
        (WidthTemperature(29.0), r"no temperature makes targets 29\.0 wide.* 17 tokens of group 1 .* less than 15\.23"),
        (WidthTemperature(1000.0), "40 tokens of group 0"),
    ],
)
def test_what_cannot_be_reached_is_refused_in_one_line(temperature, message):
    with pytest.raises(ValueError, match=rf"^[^\n]*{message}[^\n]*$"):
        temperature(TABLES["lacking"])


def test_doubles_cannot_be_told_apart_by_any_temperature():
    d = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    table = DistanceTable(d[None], torch.tensor([0]))
    with pytest.raises(ValueError, match=r"more than 0\.6931 and less than 1\.386 nats"):
        EntropyTemperature(0.69)(table)
    assert entropies(table, EntropyTemperature(0.7)) == pytest.approx([0.7], abs=1e-6)
    with pytest.raises(ValueError, match=r"more than 1\.386 and less than 1\.386 nats"):
        EntropyTemperature(1.3)(DistanceTable(torch.zeros(1, 4, 4), torch.tensor([0])))


@pytest.mark.parametrize("wanted", [0.0, -1.0, math.inf, math.nan])
def test_entropy_width_and_tau_are_positive(wanted):
    with pytest.raises(ValueError, match="positive and finite"):
        EntropyTemperature(wanted)
    with pytest.raises(ValueError, match="positive and finite"):
        WidthTemperature(wanted)
    if wanted != math.inf:
        with pytest.raises(ValueError, match="positive"):
            FixedTemperature(wanted)
