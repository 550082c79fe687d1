"""Laws of FAST tokens: everything encodes and everything decodes."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.errors import InputError
from dist2_robot.tokenizers.byte_pairs import BytePairs
from dist2_robot.tokenizers.fast import PADDING, FastTokenizer
from tests.tokenizers.motions import SPEC, WIDE, T, motions, rms, wide_motions


def fitted(spec=WIDE, actions=None, **arguments):
    made = FastTokenizer(spec, T, **arguments)
    made.fit(wide_motions() if actions is None else actions)
    return made


def used(tokens):
    return (tokens != PADDING).sum(dim=1)


sequences = st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=12)


@given(sequences, st.lists(st.integers(0, 3), max_size=20), st.integers(4, 30))
def test_merges_lose_nothing(learned_from, text, most_symbols):
    pairs = BytePairs.learn(np.array(learned_from), 4, most_symbols)
    assert len(pairs.expansions) == 4 + len(pairs.merges) <= most_symbols
    merged = pairs.encode(tuple(text))
    assert [symbol for one in merged for symbol in pairs.expansions[one]] == text
    assert len(merged) <= len(text)


@given(sequences)
def test_each_merge_joins_the_pair_that_is_seen_most_often(learned_from):
    """Counted anew, in plain words, from what the merges before it make of the sequences."""
    pairs = BytePairs.learn(np.array(learned_from), 4, 12)
    for done in range(len(pairs.merges) + 1):
        texts = [BytePairs(4, pairs.merges[:done]).encode(tuple(text)) for text in learned_from]
        counts = {}
        for text in texts:
            for pair in pairwise(text):
                counts[pair] = counts.get(pair, 0) + 1
        most = max(counts.values(), default=0)
        if done == len(pairs.merges):
            assert most < 2 or len(pairs.expansions) == 12
        else:
            assert most >= 2
            assert tuple(pairs.merges[done]) == min(pair for pair, count in counts.items() if count == most)


def test_a_run_of_one_symbol_is_merged_from_the_left():
    pairs = BytePairs.learn(np.array([[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]), 1, 3)
    assert pairs.merges.tolist() == [[0, 0], [1, 0]]
    assert pairs.encode((0, 0, 0, 0, 0)) == [1, 2]


@pytest.mark.parametrize("step", [0.5, 1.0, 4.0])
def test_a_round_trip_errs_by_half_a_step_root_mean_square(step):
    tokenizer = fitted(step=step)
    for actions in (wide_motions(), wide_motions(seed=2) * 0.5):  # these are inside the alphabet
        error = (tokenizer.decode(tokenizer.encode(actions)).double() - actions).square().mean(dim=(1, 2)).sqrt()
        assert error.max() <= step / 2 + 1e-4


def test_a_finer_step_and_more_tokens_make_the_error_smaller():
    actions = wide_motions(seed=2)
    finer = [rms(t.decode(t.encode(actions)), actions) for t in (fitted(step=s) for s in (8.0, 4.0, 1.0))]
    assert finer[0] > 1.3 * finer[1] > 3 * finer[2]
    longer = [rms(t.decode(t.encode(actions)), actions) for t in (fitted(max_tokens=n) for n in (2, 4, 8, 24))]
    assert longer[0] > longer[1] > 2 * longer[2] > 2 * longer[3]


def test_merging_saves_tokens_and_loses_nothing():
    """Against the same vocabulary without merges, in which the alphabet takes all the room."""
    merged = fitted(step=4.0)
    low, high = merged.alphabet.tolist()
    plain = fitted(step=4.0, vocab_size=high - low + 2)
    tokens, longer = merged.encode(wide_motions()), plain.encode(wide_motions())
    assert (used(longer) == 3 * T).all()
    assert used(tokens).double().mean() < 0.4 * 3 * T
    assert torch.equal(merged.decode(tokens), plain.decode(longer))


def test_missing_coefficients_are_their_training_mean_and_never_zero():
    actions = wide_motions() + 100.0
    tokenizer = fitted(actions=actions)
    nothing = torch.full((1, tokenizer.tokens_per_chunk), PADDING)
    assert torch.allclose(tokenizer.decode(nothing).double(), actions.mean(dim=0), atol=1e-3)


def test_slow_movements_come_first():
    """A sequence that ends after the first three coefficients has the mean position of each dimension right."""
    tokenizer = fitted(vocab_size=600)
    low, actions = int(tokenizer.alphabet[0]), wide_motions(20, seed=2) * 0.5
    tokens = torch.full((20, tokenizer.tokens_per_chunk), PADDING)
    tokens[:, :3] = 1 + tokenizer._coefficients(actions)[:, :3].round().long() - low  # the alphabet itself
    decoded = tokenizer.decode(tokens).double()
    assert torch.allclose(decoded.mean(dim=1), actions.mean(dim=1), atol=0.5 / T**0.5 + 1e-4)


def test_padding_counts_for_nothing_wherever_it_stands():
    tokenizer = fitted()
    tokens = tokenizer.encode(wide_motions(50))
    assert used(tokens).max() < 3 * T
    assert torch.equal(tokenizer.decode(tokens.roll(1, dims=1)), tokenizer.decode(tokens))
    spread = torch.full_like(tokens, PADDING)
    row = tokens[0][tokens[0] != PADDING]
    spread[0, torch.arange(len(row)) * (3 * T // len(row))] = row
    assert torch.equal(tokenizer.decode(spread)[0], tokenizer.decode(tokens)[0])


def test_tokens_that_were_never_learned_count_for_nothing():
    tokenizer = FastTokenizer(WIDE, T)
    tokenizer.fit(wide_motions(3))
    valid = tokenizer.points().valid[0]
    assert valid.tolist() == [True] * (1 + len(tokenizer._byte_pairs().expansions)) + [False] * int((~valid).sum())
    assert not valid.all()
    tokens = tokenizer.encode(wide_motions(3))
    assert valid[tokens].all()
    unknown = torch.where(tokens == PADDING, int(valid.sum()), tokens)
    assert torch.equal(tokenizer.decode(unknown), tokenizer.decode(tokens))


def test_what_is_too_long_is_cut():
    tokenizer = fitted()
    symbols = [len(e) for e in tokenizer._byte_pairs().expansions]
    longest = 1 + symbols.index(max(symbols))
    assert max(symbols) > 1
    long = torch.full((1, 3 * T), longest)
    short = long.clone()
    short[:, -(-3 * T // max(symbols)) :] = PADDING
    assert torch.equal(tokenizer.decode(long), tokenizer.decode(short))


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_numbers_out_of_the_alphabet_go_to_its_near_edge(side):
    """openpi 333: such numbers crashed the encoder."""
    tokenizer = fitted(actions=wide_motions() * 0.1)
    far = torch.full((1, T, 3), side * 900.0).double()
    decoded = tokenizer.decode(tokenizer.encode(far)).double()
    low, high = tokenizer.alphabet.tolist()
    edge = (high if side > 0 else low) / T**0.5  # of the mean of each dimension
    assert torch.allclose(decoded, torch.full_like(decoded, edge), atol=1)


def test_a_motion_through_the_seam_is_met_closely():
    tokenizer = fitted(SPEC, motions())
    difference = (tokenizer.decode(tokenizer.encode(motions())).double() - motions())[..., 2]
    turn = torch.remainder(difference + torch.pi, 2 * torch.pi) - torch.pi
    assert turn.square().mean(dim=1).sqrt().max() / (0.02 * torch.pi) <= 0.5 * 3**0.5 + 1e-3


def test_a_motion_through_the_seam_takes_no_more_tokens_than_another():
    away = torch.zeros(200, T, 3).double()
    away[..., 2] = 0.3 * torch.rand(200, 1) + torch.linspace(-0.3, 0, T)
    through = away + torch.tensor([0.0, 0.0, torch.pi])
    counts = [used(fitted(SPEC, actions).encode(actions)).double().mean() for actions in (through, away)]
    assert counts[0] < 1.2 * counts[1]


@pytest.mark.parametrize("distance", [AbsoluteDistance(), SquaredDistance("bins")])
def test_there_is_no_distance_between_symbols(distance):
    points = fitted().points()
    assert points.points.shape == (1, 1024, 0)
    assert points.vocab_size == 1024
    for error in (ValueError, InputError):
        with pytest.raises(error, match=r"^[^\n]*use tokenizer=dct, which keeps the metric$"):
            points.distances(distance)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"step": 0.0}, "step must be positive"),
        ({"step": float("nan")}, "step must be positive"),
        ({"max_tokens": 0}, "1 to 24"),
        ({"max_tokens": 25}, "1 to 24"),
    ],
)
def test_what_cannot_be_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        FastTokenizer(WIDE, T, **arguments)


def test_a_vocabulary_without_room_for_the_alphabet_is_refused():
    with pytest.raises(ValueError, match=r"^[^\n]*use a step above 1.0, or a larger vocab_size$"):
        fitted(vocab_size=50)
