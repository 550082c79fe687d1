"""An autoregressive policy: what is trained in one pass is what is generated one query at a time."""

import pytest
import torch

from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.types import Observation, Prediction
from tests.policies.test_token_policy import SPEC, T, V, config, observe

HEADS = [("free", "token"), ("mixture", "step"), ("mixture", "token")]


@pytest.fixture(params=HEADS, ids="-".join)
def policy(request):
    policy = build_policy(SPEC, config(*request.param, generation="autoregressive")).double()
    with torch.no_grad():
        policy.head.linear.weight *= 5
        policy.embedding.weight *= 3
    return policy


def double(observation):
    return Observation({name: x.double() for name, x in observation.features.items()})


@pytest.mark.parametrize("rule", ["argmax", "median", "min_risk"])
def test_with_the_cache_each_token_is_chosen_by_the_logits_of_one_whole_pass(policy, rule):
    observation = double(observe(4))
    policy.decoding = rule
    chunk = policy.act(observation)
    logits = policy(observation, chunk.tokens)  # given all tokens, as in training
    again = policy.decode(Prediction(logits), rule)
    assert torch.equal(again.tokens, chunk.tokens)
    assert torch.allclose(again.entropy, chunk.entropy, atol=1e-9)


def test_a_query_knows_the_tokens_before_it_and_none_after(policy):
    observation = double(observe(1))
    tokens = torch.randint(V, (1, T * len(SPEC)))
    before, group = policy(observation, tokens), policy.tokens_per_query
    for changed in range(tokens.shape[1]):
        other = tokens.clone()
        other[0, changed] = (other[0, changed] + V // 2) % V
        differs = (policy(observation, other) - before).abs().amax(-1)[0] > 1e-12
        own_query_ends = (changed // group + 1) * group
        assert not differs[:own_query_ends].any()
        assert differs[own_query_ends:].all()


def test_it_learns_that_two_numbers_belong_together():
    """Two answers are equally right; what is predicted in parallel mixes them, one after the other it does not."""
    agreed = {}
    for generation in ("parallel", "autoregressive"):
        torch.manual_seed(0)
        policy = build_policy(SPEC, config("free", "token", generation) | {"decoding": "sample"})
        optimizer = torch.optim.Adam(policy.parameters(), 1e-2)
        nothing = Observation({name: torch.zeros(64, size) for name, size in {"observation.state": 4}.items()})
        nothing = Observation({**nothing.features, "observation.environment_state": torch.zeros(64, 2)})
        for _ in range(120):
            tokens = torch.where(torch.rand(64, 1) < 0.5, 3, 12).expand(-1, T * len(SPEC))
            loss = torch.nn.functional.cross_entropy(policy(nothing, tokens).flatten(0, 1), tokens.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        drawn = policy.act(nothing).tokens
        agreed[generation] = float((drawn == drawn[:, :1]).all(dim=1).float().mean())
    assert agreed["autoregressive"] > 0.9
    assert agreed["parallel"] < 0.2


def test_without_the_tokens_before_it_predicts_nothing(policy):
    with pytest.raises(ValueError, match="given the tokens before"):
        policy(double(observe(1)))
