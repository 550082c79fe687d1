"""Laws of all tokenizers whose tokens are codes or symbols, as the registry builds them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.checkpoints.registry import build_tokenizer
from dist2_robot.tokenizers.settle import settle
from tests.tokenizers.motions import SPEC, T, apart, motions

ARGUMENTS = {
    "residual_vq": {"stages": 3, "codes": 32},
    "residual_vq in pieces": {"stages": 2, "codes": 32, "steps_per_code": 2},
    "fsq": {"levels": [16, 4]},
    "fsq of few latents": {"levels": [5, 4, 3], "latents": 6},
    "fast": {"vocab_size": 512},
    "fast and short": {"vocab_size": 512, "step": 2.0, "max_tokens": 6},
}
TOLERANCES = torch.tensor([d.tolerance for d in SPEC.dimensions], dtype=torch.float64)


def make(name, spec=SPEC, horizon=T, **changes):
    return build_tokenizer(spec, {"name": name.split()[0], "horizon": horizon, **ARGUMENTS[name], **changes})


@pytest.fixture(scope="module", params=ARGUMENTS)
def tokenizer(request):
    made = make(request.param)
    made.fit(motions())
    return made


def test_the_tokens_are_no_numbers(tokenizer):
    assert not tokenizer.is_ordered
    assert not tokenizer.points().is_ordered
    with pytest.raises(NotImplementedError, match="no single numbers"):
        tokenizer.values()


def test_a_round_trip_is_near_where_it_began(tokenizer):
    actions = motions(seed=2)
    tokens = tokenizer.encode(actions)
    assert tokens.shape == (200, tokenizer.tokens_per_chunk)
    assert 0 <= tokens.min() <= tokens.max() < tokenizer.vocab_size
    error = apart(tokenizer.decode(tokens), actions) / TOLERANCES
    spread = apart(actions, actions.roll(1, 0)) / TOLERANCES
    assert error.mean() < 0.4 * spread.mean()


@pytest.mark.parametrize("kind", ["seen", "unseen", "out of range", "of random tokens"])
def test_a_second_round_trip_changes_nothing(tokenizer, kind):
    actions = motions(seed=1 if kind == "seen" else 2)
    if kind == "out of range":
        actions = actions + 3 * TOLERANCES * torch.tensor([20.0, 20.0, 0.0])
    if kind == "of random tokens":
        actions = tokenizer.decode(torch.randint(tokenizer.vocab_size, (500, tokenizer.tokens_per_chunk)))
    tokens = tokenizer.encode(actions)
    assert torch.equal(tokenizer.encode(tokenizer.decode(tokens)), tokens)


@given(data=st.data())
def test_every_sequence_of_tokens_decodes_within_the_limits(tokenizer, data):
    one = st.integers(0, tokenizer.vocab_size - 1)
    sequence = data.draw(st.lists(one, min_size=tokenizer.tokens_per_chunk, max_size=tokenizer.tokens_per_chunk))
    actions = tokenizer.decode(torch.tensor([sequence]))
    assert actions.shape == (1, T, 3)
    assert actions.dtype == torch.float32
    for column, d in zip(actions.unbind(-1), SPEC.dimensions, strict=True):
        assert (column >= torch.tensor(d.low).float()).all()
        assert (column <= torch.tensor(d.high).float()).all()


@given(data=st.data())
def test_every_chunk_is_encoded(tokenizer, data):
    one = st.floats(-1e6, 1e6)
    numbers = data.draw(st.lists(one, min_size=3 * T, max_size=3 * T))
    tokens = tokenizer.encode(torch.tensor(numbers, dtype=torch.float64).view(1, T, 3))
    assert torch.equal(tokenizer.encode(tokenizer.decode(tokens)), tokens)


def test_what_is_out_of_range_counts_as_the_limit(tokenizer):
    for side in (-1.0, 1.0):
        far = motions() + side * torch.tensor([1e3, 10.0, 0.0])
        limits = torch.tensor([[d.low, d.high] for d in SPEC.dimensions], dtype=torch.float64)
        clipped = far.clone()
        clipped[..., :2] = torch.minimum(torch.maximum(far, limits[:, 0]), limits[:, 1])[..., :2]
        assert torch.equal(tokenizer.encode(far), tokenizer.encode(clipped))


@pytest.mark.parametrize("turns", [-2, 1])
def test_a_whole_turn_changes_no_token(tokenizer, turns):
    turned = motions() + torch.tensor([0.0, 0.0, turns * 2 * math.pi])
    same = tokenizer.encode(turned) == tokenizer.encode(motions())
    assert same.float().mean() > 0.995  # half-way between two tokens, rounding decides


def test_chunks_are_encoded_each_by_itself_in_any_shape_of_batch(tokenizer):
    actions = motions(12, seed=3)
    tokens = tokenizer.encode(actions)
    assert torch.equal(torch.stack([tokenizer.encode(chunk) for chunk in actions]), tokens)
    assert torch.equal(tokenizer.encode(actions.unflatten(0, (3, 4))), tokens.unflatten(0, (3, 4)))
    assert torch.equal(tokenizer.decode(tokens.unflatten(0, (3, 4))).flatten(0, 1), tokenizer.decode(tokens))
    assert torch.equal(tokenizer.decode(tokens[0]), tokenizer.decode(tokens)[0])


def test_what_was_fitted_travels_with_the_state(tokenizer):
    other = build_tokenizer(SPEC, tokenizer.config())
    other.fit(motions(30, seed=9))
    other.encode(motions())  # whatever it keeps of its first life must go
    other.load_state_dict(tokenizer.state_dict())
    tokens = tokenizer.encode(motions(seed=2))
    assert torch.equal(other.encode(motions(seed=2)), tokens)
    assert torch.equal(other.decode(tokens), tokenizer.decode(tokens))
    assert torch.equal(other.points().points, tokenizer.points().points)
    assert other.config() == tokenizer.config()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_fitting_twice_gives_the_same(name):
    first, second = make(name), make(name)
    first.fit(motions())
    second.fit(motions(seed=4))
    second.encode(motions())  # whatever it keeps of its first life must go
    second.fit(motions())
    assert torch.equal(second.encode(motions(seed=2)), first.encode(motions(seed=2)))
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())


@pytest.mark.parametrize("name", ARGUMENTS)
def test_before_fitting_there_is_nothing_to_encode_with(name):
    fresh = make(name)
    with pytest.raises(ValueError, match=r"^[^\n]*call fit[^\n]*$"):
        fresh.encode(motions())
    with pytest.raises(ValueError, match=r"^[^\n]*call fit[^\n]*$"):
        fresh.decode(torch.zeros(1, fresh.tokens_per_chunk, dtype=torch.long))
    with pytest.raises(ValueError, match="no whole chunk"):
        fresh.fit(motions()[:0])


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("count", [1, 2, 50])
def test_chunks_that_never_move_can_be_learned_from(name, count):
    still = torch.tensor([102.0, 0.08, math.pi]).double().expand(count, T, 3)
    made = make(name)
    made.fit(still)
    assert (apart(made.decode(made.encode(still)), still) / TOLERANCES).max() < 1.01
    assert torch.isfinite(made.decode(made.encode(motions()))).all()


@pytest.mark.parametrize("name", ["residual_vq", "fsq", "fast"])
@pytest.mark.parametrize("horizon", [1, 3])
def test_chunks_may_be_short(name, horizon):
    made = make(name, horizon=horizon)
    actions = motions()[:, :horizon]
    made.fit(actions)
    assert (apart(made.decode(made.encode(actions)), actions) / TOLERANCES).mean() < 3


def test_nothing_of_a_padded_chunk_is_padding(tokenizer):
    is_padding = torch.arange(T) > torch.tensor([[2], [T]])
    mask = tokenizer.padding_mask(is_padding)
    assert mask.shape == (2, tokenizer.tokens_per_chunk)
    assert not mask.any()


def test_encoding_leaves_the_actions_as_they_were(tokenizer):
    actions = motions()
    tokenizer.encode(actions)
    assert torch.equal(actions, motions())


@pytest.mark.fault("D1")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_actions_that_are_not_finite_are_refused(tokenizer, bad):
    actions = motions(2)
    actions[1, 3, 0] = bad
    with pytest.raises(ValueError, match="not finite"):
        tokenizer.encode(actions)


@given(st.permutations(range(40)), st.lists(st.integers(0, 39), max_size=3), st.integers(1, 3))
def test_whatever_a_round_trip_does_its_end_is_settled(moves, changes, count):
    """Of any function on 40 tokens, with up to 3 candidates, which are the values of the function at neighbours."""
    table = torch.tensor(moves)
    table[: len(changes)] = torch.tensor(changes, dtype=torch.long)

    def candidates(chunks):
        return table[(chunks[:, None] + torch.arange(count)) % 40][..., None]

    def decode(tokens):
        return tokens[:, 0]

    ends = settle(torch.arange(40), candidates, decode)
    assert torch.equal(settle(decode(ends), candidates, decode), ends)
