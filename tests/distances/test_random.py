"""The random distance: the same distances between the wrong tokens. V tokens."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.distance_error import DistanceError
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.random import RandomDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.table import DistanceTable
from dist2_robot.distances.target import soft_targets

TRUE = {"squared": SquaredDistance, "absolute": AbsoluteDistance}
seeds = st.integers(0, 2**31)


def points(groups=2, vocab_size=40):
    return TokenPoints.of_values(torch.rand(groups, vocab_size, dtype=torch.float64).cumsum(1))


def rows(table):
    """Return the rows of one table in an order of their own, each sorted."""
    return sorted(tuple(row) for row in table.sort(dim=1).values.tolist())


@given(seeds, st.sampled_from(["squared", "absolute"]), st.sampled_from(["tolerance", "bins"]))
def test_every_row_of_distances_is_there_in_another_order(seed, of, unit):
    tokens = points()
    true = tokens.distances(TRUE[of](unit)).distances
    found = tokens.distances(RandomDistance(seed, of, unit)).distances
    for group in range(2):
        assert rows(found[group]) == rows(true[group])


@given(seeds, st.floats(0.01, 100))
def test_targets_have_the_same_entropies(seed, tau):
    def entropies(distance):
        target = soft_targets(tokens.distances(distance), tau)
        return -torch.xlogy(target, target).sum(-1).sort(dim=1).values

    tokens = points()
    assert torch.allclose(entropies(RandomDistance(seed)), entropies(SquaredDistance()), atol=1e-9)


def test_nothing_of_the_metric_is_left():
    tokens = points(1, 256)
    pairs = torch.stack(
        [tokens.distances(d).distances[0].flatten() for d in (AbsoluteDistance(), RandomDistance(of="absolute"))]
    )
    assert abs(torch.corrcoef(pairs)[0, 1]) < 0.05


def test_a_seed_decides_and_groups_are_permuted_apart():
    one_group = points(1)
    tokens = TokenPoints(one_group.points.expand(2, -1, -1), torch.arange(2))
    first, again, other = (tokens.distances(RandomDistance(seed)).distances for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])
    table = RandomDistance(0).table(one_group.points[0]).float()
    assert torch.allclose(table, first[0])


def test_tokens_that_a_group_lacks_keep_out_of_it():
    tokens = points(2, 40)
    valid = torch.ones(2, 40, dtype=torch.bool)
    valid[1, 25:] = False
    tokens = TokenPoints(tokens.points, tokens.groups, valid=valid)
    true, found = (tokens.distances(d).distances for d in (SquaredDistance(), RandomDistance()))
    assert rows(found[1, :25, :25]) == rows(true[1, :25, :25])
    assert torch.equal(found[1, 25:, 25:], true[1, 25:, 25:])
    assert rows(found[0]) == rows(true[0])
    assert isinstance(tokens.distances(RandomDistance()), DistanceTable)


@pytest.mark.parametrize("of", TRUE)
def test_it_is_the_same_power_of_a_length(of):
    assert points().distances(RandomDistance(of=of)).power == points().distances(TRUE[of]()).power


@pytest.mark.parametrize("seed", [-1, 1.5, True, "0"])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="seed must be a whole number"):
        RandomDistance(seed)


def test_only_what_is_there_can_be_permuted():
    with pytest.raises(ValueError, match="'cosine' to permute: use one of squared, absolute"):
        RandomDistance(of="cosine")
    with pytest.raises(DistanceError, match="knows no values"):
        RandomDistance()(torch.zeros(1), torch.ones(1))
