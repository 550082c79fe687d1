"""Columns that never move among columns that do: every tokenizer leaves them out, and decodes them as recorded."""

from dataclasses import replace

import pytest
import torch
import yaml

from dist2_robot.actions.spec import ActionDimension
from dist2_robot.checkpoints.registry import TOKENIZERS, build_tokenizer
from dist2_robot.config_dir import config_dir
from tests.tokenizers.motions import SPEC, T, motions

FINGER, THUMB = 0.1, 41.30000305175781  # the second in 32 bits
STILL = (
    ActionDimension("finger", "joint", "rad", -1.0, 1.0, constant=FINGER),
    ActionDimension("thumb", "gripper", "%", 0.0, 100.0, constant=THUMB),
)
WITH = replace(SPEC, dimensions=(STILL[0], *SPEC.dimensions[:2], STILL[1], SPEC.dimensions[2]))
MOVING = [1, 2, 4]
SMALL = {
    "uniform": {"bins": 64},
    "quantile": {"bins": 64},
    "mu_law": {"bins": 64},
    "gaussian": {"bins": 64},
    "dct": {"bins": 64, "coefficients": 5},
    "bspline": {"bins": 64, "control_points": 5},
    "residual_vq": {"stages": 2, "codes": 16},
    "fsq": {"levels": [8, 4]},
    "fast": {"step": 4.0},
}


def recorded(count: int = 100) -> torch.Tensor:
    """Return chunks (N, T, 5) in 32 bits, whose columns 0 and 3 never move."""
    chunks = torch.empty(count, T, 5)
    chunks[..., MOVING] = motions(count).float()
    chunks[..., 0], chunks[..., 3] = FINGER, THUMB
    return chunks


def build(spec, name, actions):
    settings = yaml.safe_load((config_dir() / "tokenizer" / f"{name}.yaml").read_text())
    tokenizer = build_tokenizer(spec, {**settings, "horizon": T, **SMALL.get(name, {})})
    tokenizer.fit(actions)
    return tokenizer


@pytest.fixture(params=sorted(TOKENIZERS))
def pair(request):
    """Return a tokenizer of all columns, and the same of those that move alone."""
    return build(WITH, request.param, recorded()), build(SPEC, request.param, recorded()[..., MOVING])


def test_there_is_a_file_for_each():
    assert sorted(TOKENIZERS) == sorted(path.stem for path in (config_dir() / "tokenizer").glob("*.yaml"))


def test_they_cost_no_token_and_change_none(pair):
    tokenizer, alone = pair
    assert tokenizer.tokens_per_chunk == alone.tokens_per_chunk
    assert tokenizer.tokens_per_query == alone.tokens_per_query
    tokens = tokenizer.encode(recorded())
    assert torch.equal(tokens, alone.encode(recorded()[..., MOVING]))
    assert torch.equal(tokenizer.points().points, alone.points().points)
    padding = torch.arange(T) >= 5
    assert torch.equal(tokenizer.padding_mask(padding[None]), alone.padding_mask(padding[None]))


def test_they_decode_to_the_last_bit_and_the_others_as_alone(pair):
    tokenizer, alone = pair
    tokens = tokenizer.encode(recorded())
    decoded = tokenizer.decode(tokens)
    assert decoded.shape == (100, T, 5)
    assert torch.equal(decoded[..., [0, 3]], recorded()[..., [0, 3]])
    assert torch.equal(decoded[..., MOVING], alone.decode(tokens))


def test_what_an_action_says_there_counts_for_nothing(pair):
    tokenizer, _ = pair
    other = recorded()
    other[..., [0, 3]] = torch.tensor([-0.9, 99.0])
    assert torch.equal(tokenizer.encode(other), tokenizer.encode(recorded()))


def test_numbers_are_put_back_among_them(pair):
    tokenizer, alone = pair
    if not tokenizer.is_ordered:
        pytest.skip("its tokens are no numbers")
    values = tokenizer.to_values(recorded())
    assert torch.equal(values, alone.to_values(recorded()[..., MOVING]))
    back = tokenizer.to_actions(values)
    assert torch.equal(back[..., [0, 3]], recorded()[..., [0, 3]])
    assert torch.equal(back[..., MOVING], alone.to_actions(values))


def test_it_is_rebuilt_from_its_config_and_its_state(pair):
    tokenizer, _ = pair
    again = build_tokenizer(WITH, tokenizer.config())
    again.load_state_dict(tokenizer.state_dict())
    assert torch.equal(again.decode(again.encode(recorded())), tokenizer.decode(tokenizer.encode(recorded())))


def test_bins_are_given_for_all_dimensions():
    tokenizer = build_tokenizer(WITH, {"name": "per_dimension", "horizon": T, "bins": [9, 64, 2, 9, 33]})
    assert tokenizer.counts.tolist() == [64, 2, 33]
