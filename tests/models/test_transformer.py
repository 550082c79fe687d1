"""Laws of the transformer and of what goes into it."""

import pytest
import torch

from dist2_robot.models.observation_encoder import ObservationEncoder
from dist2_robot.models.state_encoder import StateEncoder
from dist2_robot.models.transformer import Transformer
from dist2_robot.types import Observation, ObservationSpec


def test_the_transformer_knows_no_order_of_its_own():
    transformer, x = Transformer(16, depth=2, heads=4), torch.randn(3, 6, 16)
    order = torch.randperm(6)
    assert torch.allclose(transformer(x[:, order]), transformer(x)[:, order], atol=1e-5)


def test_every_element_attends_to_every_other():
    transformer, x = Transformer(16, depth=1, heads=4), torch.randn(1, 4, 16, requires_grad=True)
    for element in range(4):
        (gradient,) = torch.autograd.grad(transformer(x)[0, element].square()[:3].sum(), x)
        assert (gradient[0].abs().sum(-1) > 1e-8).all()


def test_rows_do_not_see_each_other():
    transformer, x = Transformer(16, depth=2, heads=4), torch.randn(3, 6, 16)
    assert torch.allclose(transformer(x)[1:2], transformer(x[1:2]), atol=1e-5)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="width 16"):
        Transformer(16, depth=1, heads=3)


def test_features_are_encoded_in_the_order_of_the_encoder():
    encoder = StateEncoder({"a": 2, "b": 3}, width=8)
    a, b = torch.randn(4, 2), torch.randn(4, 3)
    encoded = encoder(Observation({"b": b, "camera": torch.zeros(4, 3, 8, 8), "a": a}))
    assert encoded.shape == (4, 2, 8)
    assert torch.equal(encoded, encoder(Observation({"a": a, "b": b})))
    other = encoder(Observation({"a": a, "b": b + 1}))
    assert torch.equal(other[:, 0], encoded[:, 0])
    assert not torch.isclose(other[:, 1], encoded[:, 1]).all()


def test_a_policy_that_sees_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        ObservationEncoder(ObservationSpec({}), width=8)
