"""Laws of finite scalar quantisation of principal components."""

import math

import pytest
import torch

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.losses.energy import EnergyLoss
from dist2_robot.tokenizers.fsq import FsqTokenizer
from tests.tokenizers.motions import SPEC, WIDE, T, motions, rms, wide_motions


def fitted(levels, latents=None, spec=WIDE, actions=None):
    made = FsqTokenizer(spec, T, levels, latents)
    made.fit(wide_motions() if actions is None else actions)
    return made


def test_components_are_orthonormal_and_the_strongest_come_first():
    tokenizer = fitted([4], 12)
    assert torch.allclose(tokenizer.components @ tokenizer.components.T, torch.eye(12).double(), atol=1e-9)
    latents = (wide_motions().flatten(1) - tokenizer.mean) @ tokenizer.components.T
    assert (latents.std(dim=0).diff() <= 1e-9).all()
    assert torch.allclose(latents.mean(dim=0), torch.zeros(12).double(), atol=1e-9)


@pytest.mark.parametrize(("levels", "latents"), [([16, 4], None), ([8], 3), ([5, 4, 3], 9)])
def test_a_round_trip_errs_by_half_a_level_and_what_is_dropped(levels, latents):
    tokenizer, actions = fitted(levels, latents), wide_motions()
    vectors = actions.flatten(1) - tokenizer.mean
    kept = vectors @ tokenizer.components.T
    dropped = vectors.square().sum(dim=1) - kept.square().sum(dim=1)
    most = (dropped + (tokenizer.step / 2).square().sum()).sqrt()
    error = (tokenizer.decode(tokenizer.encode(actions)) - actions).flatten(1).norm(dim=1)
    assert (error <= most + 1e-3).all()
    assert (error >= dropped.clamp(min=0).sqrt() - 1e-3).all()


def test_the_error_shrinks_with_levels_and_latents():
    actions = wide_motions(seed=2)
    finer = [rms(t.decode(t.encode(actions)), actions) for t in (fitted([n, n]) for n in (2, 6, 18))]
    assert finer[0] > 2 * finer[1] > 4 * finer[2]
    more = [rms(t.decode(t.encode(actions)), actions) for t in (fitted([32], p) for p in (1, 3, 9))]
    assert more[0] > 1.3 * more[1] > 2 * more[2]


def test_every_token_inside_the_lattice_survives_the_way_back():
    tokenizer = fitted([5, 3], 6)
    tokens = torch.randint(15, (300, 3))
    assert torch.equal(tokenizer.encode(tokenizer.decode(tokens)), tokens)


def test_latents_are_dealt_in_turn_and_the_first_of_a_token_has_the_first_levels():
    tokenizer = fitted([5, 3], 6)  # 3 tokens: components 0 and 3, 1 and 4, 2 and 5
    for position in range(3):
        for token in range(15):
            tokens = torch.zeros(2, 3, dtype=torch.long)
            tokens[1, position] = token
            first, other = tokenizer.compose(tokens).flatten(1)
            moved = (other - first) @ tokenizer.components.T
            expected = torch.zeros(6).double()
            expected[position] = token // 3 * tokenizer.step[position]
            expected[position + 3] = token % 3 * tokenizer.step[position + 3]
            assert torch.allclose(moved, expected, atol=1e-9)


def test_squared_distances_of_the_tokens_add_up_to_that_of_the_chunks():
    tokenizer = fitted([5, 4], 8)
    a, b = torch.randint(20, (2, 100, 4))
    squared = tokenizer.distances(SquaredDistance())
    total = squared.distances[squared.groups, a, b].double().sum(dim=1)
    change = (tokenizer.decode(a).double() - tokenizer.decode(b).double()).square().mean(dim=(1, 2))
    assert torch.allclose(total, change, rtol=1e-4)


def test_neighbours_on_the_lattice_are_one_apart_in_bins():
    lattice = fitted([5, 3], 6).distances(AbsoluteDistance("bins")).distances
    assert lattice[:, 0, 1].tolist() == [1, 1, 1]
    assert lattice[:, 0, 3].tolist() == [1, 1, 1]
    assert lattice[0, 0, 4].item() == pytest.approx(math.sqrt(2))
    assert lattice[0, 0, 14].item() == pytest.approx(math.hypot(4, 2))


def test_distances_obey_their_axioms_and_are_of_negative_type():
    table = fitted([16, 4], spec=SPEC, actions=motions()).distances(AbsoluteDistance())
    d = table.distances
    assert torch.equal(d, d.mT)
    assert not d.diagonal(dim1=1, dim2=2).any()
    assert (d + torch.eye(64) > 0).all()
    EnergyLoss(table)  # refuses what is not


def test_what_lies_beyond_the_range_seen_goes_to_the_outermost_level():
    tokenizer = fitted([5])
    far = 20 * (wide_motions(50) - wide_motions().mean(dim=0)) + wide_motions().mean(dim=0)
    latents = (far.flatten(1) - tokenizer.mean) @ tokenizer.components.T
    tokens = tokenizer.encode(far)
    assert (tokens[latents < tokenizer.low] == 0).all()
    assert (tokens[latents > tokenizer.low + 5 * tokenizer.step] == 4).all()


def test_the_seam_of_an_angle_costs_nothing():
    """Motions through the seam are met as closely as the same motions half a turn away."""
    half_turn = torch.tensor([0.0, 0.0, math.pi])
    errors = []
    for actions in (motions(), motions() + half_turn):
        tokenizer = fitted([16, 8], spec=SPEC, actions=actions)
        difference = (tokenizer.decode(tokenizer.encode(actions)).double() - actions)[..., 2]
        errors.append(float((torch.remainder(difference + math.pi, 2 * math.pi) - math.pi).abs().mean()))
    assert errors[0] == pytest.approx(errors[1], rel=0.05)


@pytest.mark.parametrize(
    ("levels", "latents", "says"),
    [
        ([], None, "levels must be"),
        ([8, 1], None, "levels must be"),
        ([8, 5], 3, "multiple of 2"),
        ([8, 5], 26, "at most 24"),
        ([8, 5], 0, "multiple of 2"),
    ],
)
def test_what_cannot_be_is_refused(levels, latents, says):
    with pytest.raises(ValueError, match=says):
        FsqTokenizer(WIDE, T, levels, latents)
