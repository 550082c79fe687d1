"""The energy loss is the energy score, and a strictly proper one. L positions, V tokens."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.table import DistanceTable
from dist2_robot.losses.energy import EnergyLoss
from dist2_robot.tokenizers.uniform import UniformTokenizer

KINDS = ["line", "circle", "plane"]


@pytest.fixture(params=KINDS)
def table(request):
    return request.getfixturevalue(request.param)


def draw(positions=3):
    return 2 * torch.randn(positions, 2, 6, dtype=torch.float64), torch.randint(6, (positions, 2))


def brute_force(logits, targets, table):
    """Return the mean of ``E d(V, x) - 1/2 E d(V, V')``, term by term."""
    scores = []
    for row, truth in zip(torch.softmax(logits, -1), targets.tolist(), strict=True):
        for position, (p, x) in enumerate(zip(row.tolist(), truth, strict=True)):
            d = table.distances[table.groups[position]].tolist()
            to_truth = sum(p[v] * d[v][x] for v in range(6))
            to_each_other = sum(p[v] * p[w] * d[v][w] for v in range(6) for w in range(6))
            scores.append(to_truth - to_each_other / 2)
    return sum(scores) / len(scores)


def test_it_equals_the_energy_score_term_by_term(table):
    logits, targets = draw()
    expected = brute_force(logits, targets, table)
    assert EnergyLoss(table)(logits, targets).loss.item() == pytest.approx(expected, rel=1e-5)


def test_on_a_line_it_is_the_squared_earth_movers_distance_weighted_by_spacing(line):
    logits, targets = draw()
    predicted = torch.softmax(logits, -1).cumsum(-1)
    truth = F.one_hot(targets, 6).cumsum(-1)
    spacing = line.distances.diagonal(offset=1, dim1=1, dim2=2).double()[line.groups]  # (L, V - 1)
    expected = ((predicted - truth).square()[..., :-1] * spacing).sum(-1).mean()
    assert EnergyLoss(line)(logits, targets).loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_both_paths_agree_on_a_line(line):
    logits, targets = draw()
    shuffled = torch.tensor([3, 0, 5, 1, 4, 2])  # the same points with other names: no longer in order
    renamed = DistanceTable(line.distances[:, shuffled][:, :, shuffled], line.groups)
    expected = EnergyLoss(line)(logits, targets).loss.item()
    names = shuffled.argsort()
    assert EnergyLoss(renamed)(logits[..., shuffled], names[targets]).loss.item() == pytest.approx(expected, rel=1e-5)
    general = EnergyLoss(line)
    general.on_a_line = False
    assert general(logits, targets).loss.item() == pytest.approx(expected, rel=1e-5)


def test_certainty_scores_the_distance(table):
    score = EnergyLoss(table)
    for truth in range(6):
        for token in range(6):
            logits = torch.full((1, 2, 6), -1e4).index_fill(-1, torch.tensor([token]), 0.0)
            expected = table.distances[table.groups, truth, token].mean().item()
            assert score(logits, torch.full((1, 2), truth)).loss.item() == pytest.approx(expected, abs=1e-5)


def expected_score(score, logits, truth):
    """Return the score of logits (2, V), averaged over true tokens that are drawn from a distribution (V,)."""
    each = [score(logits[None], torch.full((1, 2), x)).loss for x in range(6)]
    return sum(weight * value for weight, value in zip(truth, each, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_it_is_strictly_proper(table, seed):
    generator = torch.Generator().manual_seed(seed)
    score = EnergyLoss(table).double()
    truth = torch.softmax(1.5 * torch.randn(6, generator=generator, dtype=torch.float64), -1)
    best = truth.log().expand(2, 6).clone().requires_grad_()
    lowest = expected_score(score, best, truth)
    gradient = torch.autograd.grad(lowest, best)[0]
    assert gradient.abs().max().item() < 1e-6  # as exact as a float32 table
    for width in (0.05, 0.5, 5.0):
        other = best.detach() + width * torch.randn(2, 6, generator=generator, dtype=torch.float64)
        assert expected_score(score, other, truth).item() > lowest.item()


@pytest.mark.parametrize("bins", [3, 16, 256])
def test_squared_distances_are_refused_for_they_score_the_mean_only(bins):
    spec = ActionSpec((ActionDimension("x", "joint", "rad", -1.0, 1.0),), "absolute", 30.0, "file")
    with pytest.raises(ValueError, match="negative type"):
        EnergyLoss(UniformTokenizer(spec, 1, bins).distances(SquaredDistance()))


@pytest.mark.parametrize("bins", [4, 16, 256])
def test_squared_arcs_are_refused(bins):
    spec = ActionSpec((ActionDimension("x", "joint", "rad", -3.0, 3.0, wraps=True),), "absolute", 30.0, "file")
    with pytest.raises(ValueError, match="negative type"):
        EnergyLoss(UniformTokenizer(spec, 1, bins).distances(SquaredDistance()))


def test_one_group_of_another_type_is_enough_to_refuse(line):
    squares = line.distances[0].square()
    for scale in (1e-4, 1.0, 1e4):
        mixed = torch.stack([line.distances[0], scale * squares])
        with pytest.raises(ValueError, match="negative type"):
            EnergyLoss(DistanceTable(mixed, torch.tensor([0, 1])))


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize("bins", [2, 3, 16, 256, 1024])
def test_absolute_distances_are_taken_at_any_number_of_bins(bins, wraps):
    spec = ActionSpec((ActionDimension("x", "joint", "rad", -3.0, 3.0, wraps),), "absolute", 30.0, "file")
    table = UniformTokenizer(spec, 1, bins).distances(AbsoluteDistance())
    loss = EnergyLoss(table)(torch.zeros(1, 1, bins), torch.zeros(1, 1, dtype=torch.long)).loss
    assert 0 < loss.item() < table.distances.max().item()


@given(st.floats(0.01, 100))
def test_it_is_measured_in_the_unit_of_the_distances(scale):
    index = torch.arange(6.0)
    one = (index[:, None] - index).abs()[None]
    logits, targets = torch.randn(3, 1, 6), torch.randint(6, (3, 1))
    groups = torch.tensor([0])
    scores = [EnergyLoss(DistanceTable(d, groups))(logits, targets).loss.item() for d in (one, scale * one)]
    assert scores[1] == pytest.approx(scale * scores[0], rel=1e-4)


def test_spread_that_is_not_needed_costs(table):
    score = EnergyLoss(table)
    targets = torch.tensor([[2, 2]])
    peak = F.one_hot(targets, 6).float()
    losses = [score(sharpness * peak, targets).loss.item() for sharpness in (0.0, 1.0, 3.0, 9.0)]
    assert losses == sorted(losses, reverse=True)


def test_tokens_without_a_metric_do_not_count(table):
    logits, targets = draw()
    metric = torch.tensor([True, False]).expand(3, 2)
    loss = EnergyLoss(table)(logits, targets, metric_tokens=metric).loss
    other = torch.where(metric[..., None], logits, torch.randn_like(logits))
    assert EnergyLoss(table)(other, targets, metric_tokens=metric).loss.item() == pytest.approx(loss.item(), abs=1e-12)
    assert math.isfinite(loss.item())


def test_only_the_distances_of_tokens_that_there_are_must_be_of_negative_type(line):
    valid = torch.tensor([[True] * 5 + [False], [False] + [True] * 5])
    senseless = line.distances.clone()
    for group, token in enumerate((5, 0)):
        senseless[group, token] = senseless[group, :, token] = senseless[group, token].square() + 7
        senseless[group, token, token] = 0
    logits, targets = draw()
    targets = targets.clamp(1, 4)
    score = EnergyLoss(DistanceTable(senseless, line.groups, valid))
    expected = EnergyLoss(line)(logits.masked_fill(~valid, -1e4), targets).loss.item()
    assert score.on_a_line
    assert score(logits.masked_fill(~valid, -1e4), targets).loss.item() == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="negative type"):
        EnergyLoss(DistanceTable(senseless, line.groups))


def test_tokens_that_all_lie_in_one_place_are_refused(plane):
    with pytest.raises(ValueError, match="differ"):
        EnergyLoss(DistanceTable(torch.cat([plane.distances, 0 * plane.distances]), torch.tensor([0, 1])))
