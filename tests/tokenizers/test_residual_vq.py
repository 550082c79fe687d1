"""Laws of residual vector quantisation, and of the clusters under it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.losses.energy import EnergyLoss
from dist2_robot.tokenizers.k_means import k_means, nearest_code
from dist2_robot.tokenizers.residual_vq import ResidualVQTokenizer
from tests.tokenizers.motions import SPEC, WIDE, T, motions, rms, wide_motions


def fitted(**arguments):
    made = ResidualVQTokenizer(WIDE, T, **arguments)
    made.fit(wide_motions())
    return made


def generator():
    return torch.Generator().manual_seed(0)


def test_each_centre_is_the_mean_of_what_is_nearest_to_it():
    corners = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]]).double()
    vectors = corners.repeat(40, 1) + torch.randn(120, 2).double()
    centres = k_means(vectors, 3, generator())
    _, nearest = nearest_code(vectors, centres)
    for index, centre in enumerate(centres):
        assert torch.allclose(vectors[nearest == index].mean(dim=0), centre)
    assert torch.cdist(corners, centres).min(dim=1).values.max() < 1


@given(st.integers(2, 40), st.integers(1, 40), st.integers(1, 3))
def test_no_two_centres_are_the_same(count, different, size):
    vectors = torch.randn(different, size, generator=generator()).double().repeat(3, 1)
    centres = k_means(vectors, count, generator())
    assert centres.shape == (count, size)
    assert torch.cdist(centres, centres).add(torch.eye(count)).min() > 1e-6


def test_with_enough_codes_every_chunk_has_its_own():
    vectors = torch.randn(20, 3).double()
    centres = k_means(vectors, 30, generator())
    assert nearest_code(vectors, centres)[0].max() < 1e-20


def test_a_lost_centre_moves_to_what_is_far_from_all(monkeypatch):
    vectors = torch.cat([torch.zeros(100, 1), torch.full((100, 1), 1.0), torch.tensor([[50.0], [-50.0]])]).double()
    bad = torch.tensor([[0.0], [1.0], [900.0], [-900.0]]).double()
    monkeypatch.setattr("dist2_robot.tokenizers.k_means._seed", lambda *_: bad)
    centres = k_means(vectors, 4, generator())
    assert sorted(centres[:, 0].tolist()) == pytest.approx([-50, 0, 1, 50])


def test_the_error_shrinks_with_stages_and_codes():
    actions = wide_motions()
    by_stage = [rms(t.decode(t.encode(actions)), actions) for t in (fitted(stages=s, codes=16) for s in (1, 2, 4))]
    assert by_stage[0] > 1.5 * by_stage[1] > 2 * by_stage[2]
    by_codes = [rms(t.decode(t.encode(actions)), actions) for t in (fitted(stages=2, codes=c) for c in (4, 16, 64))]
    assert by_codes[0] > 1.3 * by_codes[1] > 1.6 * by_codes[2]


def test_no_round_trip_errs_more_than_the_first_stage_alone_would():
    tokenizer, actions = fitted(stages=3, codes=32), wide_motions(seed=2)
    alone = nearest_code(actions.flatten(1), tokenizer.codebooks[0])[0].sqrt()
    error = (tokenizer.decode(tokenizer.encode(actions)) - actions).flatten(1).norm(dim=1)
    assert (error <= alone + 1e-4).float().mean() > 0.98
    assert error.mean() < 0.6 * alone.mean()


def test_looking_ahead_is_no_worse_than_the_nearest_code_of_each_stage():
    tokenizer, actions = fitted(stages=4, codes=16), wide_motions(seed=2)
    left = actions.flatten(1)
    for book in tokenizer.codebooks:
        left = left - book[nearest_code(left, book)[1]]
    best = tokenizer.compose(tokenizer.candidates(actions)[:, 0])
    assert rms(best, actions) < 0.97 * left.square().mean().sqrt()


def test_later_stages_know_errors_of_chunks_that_were_not_learned_from():
    """Against the usual way, in which stage by stage learns from what is left over of the same chunks."""
    seen, unseen = wide_motions(100), wide_motions(400, seed=2)
    careful = ResidualVQTokenizer(WIDE, T, stages=3, codes=64)
    careful.fit(seen)
    usual, left = ResidualVQTokenizer(WIDE, T, stages=3, codes=64), seen.flatten(1)
    for book in usual.codebooks:
        book.copy_(k_means(left, 64, generator()))
        left = left - book[nearest_code(left, book)[1]]
    errors = [rms(tokenizer.decode(tokenizer.encode(unseen)), unseen) for tokenizer in (careful, usual)]
    assert errors[0] < 0.8 * errors[1]


def test_pieces_of_a_chunk_are_encoded_each_by_itself():
    tokenizer, actions = fitted(stages=2, codes=16, steps_per_code=2), wide_motions(seed=2)
    assert tokenizer.tokens_per_chunk == 8
    assert tokenizer.tokens_per_query == 2
    tokens = tokenizer.encode(actions)
    swapped = actions.unflatten(1, (4, 2)).flip(1).flatten(1, 2)
    assert torch.equal(tokenizer.encode(swapped), tokens.unflatten(1, (4, 2)).flip(1).flatten(1, 2))
    assert tokenizer.points().groups.tolist() == [0, 1] * 4


@pytest.mark.parametrize("steps", [None, 2])
def test_one_apart_is_one_tolerance_root_mean_square(steps):
    tokenizer = fitted(stages=2, codes=16, steps_per_code=steps)
    length, squared = tokenizer.distances(AbsoluteDistance()), tokenizer.distances(SquaredDistance())
    tokens = torch.randint(16, (50, tokenizer.tokens_per_chunk))
    for position, group in enumerate(tokenizer.points().groups):
        other = tokens.clone()
        other[:, position] = torch.randint(16, (50,))
        change = (tokenizer.decode(other).double() - tokenizer.decode(tokens).double()).square()
        mean = change.sum(dim=(1, 2)) / (3 * (steps or T))
        pairs = group, tokens[:, position], other[:, position]
        assert torch.allclose(squared.distances[pairs].double(), mean, rtol=1e-3, atol=1e-4)
        assert torch.allclose(length.distances[pairs].double(), mean.sqrt(), rtol=1e-3, atol=1e-2)


def test_distances_obey_their_axioms_and_are_of_negative_type():
    tokenizer = ResidualVQTokenizer(SPEC, T, stages=3, codes=64)
    tokenizer.fit(motions(40))  # fewer than there are codes
    table = tokenizer.distances(AbsoluteDistance())
    d = table.distances
    assert torch.equal(d, d.mT)
    assert not d.diagonal(dim1=1, dim2=2).any()
    assert (d + torch.eye(64) > 0).all()
    assert (d[:, :, None] <= d[:, :, :, None] + d[:, None] + 1e-4).all()
    EnergyLoss(table)  # refuses what is not


def test_on_either_side_of_the_seam_codes_are_neighbours():
    tokenizer = ResidualVQTokenizer(SPEC, T, stages=1, codes=16)
    still = torch.tensor([101.0, 0.04, 0.0]).double().expand(2, T, 3).clone()
    still[0, :, 2], still[1, :, 2] = -3.1, 3.1
    a, b = tokenizer.to_vectors(still)
    tolerance = 0.02 * torch.pi
    assert float((a - b).norm(dim=1).max()) == pytest.approx((2 * torch.pi - 6.2) / tolerance, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [({"stages": 0}, "1 stage"), ({"steps_per_code": 3}, "must divide"), ({"codes": 1}, "at least 2")],
)
def test_what_cannot_be_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        ResidualVQTokenizer(WIDE, T, **arguments)


def test_a_distance_in_bins_is_refused():
    with pytest.raises(ValueError, match="no bins"):
        fitted(stages=1, codes=4).distances(SquaredDistance("bins"))
