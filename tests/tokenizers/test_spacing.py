"""Tokenizers whose bins are not equal."""

import pytest
import torch

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.tokenizers.mu_law import MuLawTokenizer
from dist2_robot.tokenizers.quantile import QuantileTokenizer

SPEC = ActionSpec(
    (ActionDimension("x", "ee_position", "cm", -1.0, 3.0), ActionDimension("still", "joint", "rad", 0.0, 1.0)),
    "delta",
    10.0,
    "file",
)


def skewed_actions(count: int = 4000) -> torch.Tensor:
    """Return chunks (N, 2, 2): x crowds near its lower limit, the other dimension never moves."""
    x = torch.rand(count, 2, dtype=torch.float64) ** 3 * 4 - 1
    return torch.stack([x, torch.full_like(x, 0.25)], dim=-1).float()


@pytest.fixture(params=["quantile", "mu_law"])
def tokenizer(request: pytest.FixtureRequest) -> QuantileTokenizer | MuLawTokenizer:
    if request.param == "mu_law":
        return MuLawTokenizer(SPEC, horizon=2, bins=32)
    fitted = QuantileTokenizer(SPEC, horizon=2, bins=32)
    fitted.fit(skewed_actions())
    return fitted


def test_every_token_comes_back(tokenizer):
    tokens = torch.arange(32).repeat(4, 1).T
    assert torch.equal(tokenizer.encode(tokenizer.decode(tokens)), tokens)


def test_a_round_trip_errs_by_half_its_own_bin(tokenizer):
    actions = torch.rand(500, 2, 2) * torch.tensor([4.0, 1.0]) + torch.tensor([-1.0, 0.0])
    tokens = tokenizer.encode(actions)
    width = tokenizer.edges.diff(dim=1).repeat(2, 1).gather(1, tokens.T).T.unflatten(1, (2, 2))
    assert ((tokenizer.decode(tokens) - actions).abs() <= width / 2 + 1e-6).all()


def test_what_is_out_of_range_goes_to_the_near_edge(tokenizer):
    far = torch.tensor([[[-9.0, -9.0], [9.0, 9.0]]])
    assert tokenizer.encode(far).tolist() == [[0, 0, 31, 31]]


def test_encoding_leaves_the_actions_as_they_were():
    spec = ActionSpec((ActionDimension("yaw", "ee_rotation", "rad", -3.0, 3.0, wraps=True),), "absolute", 10.0, "file")
    actions = torch.tensor([[[4.0]]], dtype=torch.float64)
    MuLawTokenizer(spec, horizon=1, bins=8).encode(actions)
    assert actions.item() == 4.0


def test_quantile_bins_hold_equal_mass():
    tokenizer = QuantileTokenizer(SPEC, horizon=2, bins=8)
    actions = skewed_actions()
    tokenizer.fit(actions)
    counts = torch.bincount(tokenizer.encode(actions)[:, [0, 2]].flatten(), minlength=8) / (2 * len(actions))
    assert counts.min() > 0.5 / 8  # not equal to the letter: 5 % of the spacing is uniform
    assert counts.max() < 2.0 / 8


def test_a_dimension_that_never_moves_is_met_closely_and_keeps_its_limits():
    tokenizer = QuantileTokenizer(SPEC, horizon=2, bins=32)
    tokenizer.fit(skewed_actions())
    decoded = tokenizer.decode(tokenizer.encode(torch.full((1, 2, 2), 0.25)))
    assert (decoded[..., 1] - 0.25).abs().max() < 0.05 / 32
    assert tokenizer.edges[1, [0, -1]].tolist() == [0.0, 1.0]


def test_what_was_fitted_is_part_of_the_state():
    fitted, fresh = QuantileTokenizer(SPEC, 2, 16), QuantileTokenizer(SPEC, 2, 16)
    fitted.fit(skewed_actions())
    fresh.load_state_dict(fitted.state_dict())
    assert torch.equal(fresh.edges, fitted.edges)


def test_mu_law_is_finest_in_the_middle_and_symmetric():
    widths = MuLawTokenizer(SPEC, horizon=1, bins=32).edges.diff(dim=1)
    assert (widths[:, 16:].diff(dim=1) > 0).all()
    assert torch.allclose(widths, widths.flip(1))


def test_mu_must_be_positive():
    with pytest.raises(ValueError, match="mu must be positive"):
        MuLawTokenizer(SPEC, horizon=1, bins=8, mu=0.0)
