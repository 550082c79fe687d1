"""Columns that never move in the recordings: no policy predicts them, and each sends them as they were recorded."""

import json
from dataclasses import replace

import pytest
import torch

from dist2_robot.actions.spec import ActionDimension
from dist2_robot.checkpoints.registry import build_loss, build_policy, build_tokenizer
from dist2_robot.policies.belief import next_action_belief
from dist2_robot.training.committed import RandomPrefix
from dist2_robot.types import Batch, Prefix
from tests.models.tiny_language_models import gpt2
from tests.policies import test_token_policy
from tests.policies.test_token_policy import HIGH, LOW, SIZES, SPEC, T, V

__all__ = ["gpt2"]
FINGER, THUMB = 0.1, 41.30000305175781
STILL = (
    ActionDimension("finger", "joint", "rad", -1.0, 1.0, constant=FINGER),
    ActionDimension("thumb", "gripper", "%", 0.0, 100.0, constant=THUMB),
)
WITH = replace(SPEC, dimensions=(STILL[0], *SPEC.dimensions[:2], STILL[1], *SPEC.dimensions[2:]))
STANDS, MOVING = [0, 3], [i for i in range(len(WITH)) if i not in (0, 3)]
SENT = torch.tensor([FINGER, THUMB])
SMALL = {"observation": {"numbers": SIZES}, "width": 16, "depth": 1, "attention_heads": 2}
TOKENS = SMALL | {
    "name": "token",
    "tokenizer": {"name": "uniform", "horizon": T, "bins": V},
    "head": {"name": "free"},
    "decoding": "local_mean",
}
POLICIES = {
    "token": TOKENS,
    "mixture": TOKENS | {"head": {"name": "mixture"}},
    "autoregressive": TOKENS | {"generation": "autoregressive"},
    "codes": TOKENS | {"tokenizer": {"name": "fsq", "horizon": T, "levels": [4, 4]}, "decoding": "argmax"},
    "transformed": TOKENS | {"tokenizer": {"name": "dct", "horizon": T, "bins": V}},
    "regression": SMALL | {"name": "regression", "horizon": T},
    "mlp": SMALL | {"name": "regression", "horizon": T, "body": "mlp"},
    "prefix": TOKENS | {"max_prefix": 2},
    "regression_prefix": SMALL | {"name": "regression", "horizon": T, "max_prefix": 2},
}


def observe(rows):
    """Return the same observations every time."""
    torch.manual_seed(1)
    return test_token_policy.observe(rows)


def build(spec, name, **changes):
    torch.manual_seed(0)
    config = POLICIES[name] | changes
    fitted = None
    if name == "codes":
        tokenizer = build_tokenizer(spec, config["tokenizer"])
        tokenizer.fit(done(32) if spec is WITH else done(32)[..., MOVING])
        fitted = tokenizer.state_dict()
    return build_policy(spec, config, fitted).eval()


def done(rows=4):
    """Return actions (B, T, 2 + A) that hold what never moves."""
    generator = torch.Generator().manual_seed(3)
    actions = torch.empty(rows, T, len(WITH))
    actions[..., MOVING] = LOW + torch.rand(rows, T, len(SPEC), generator=generator) * (HIGH - LOW)
    actions[..., STANDS] = SENT
    return actions


def batch(actions, columns=slice(None)):
    return Batch(observe(len(actions)), actions[..., columns], torch.zeros(len(actions), T, dtype=torch.bool))


def loss_of(policy):
    name = {"name": "l1"} if policy.config()["name"] == "regression" else {"name": "cross_entropy"}
    return build_loss(getattr(policy, "tokenizer", None), name)


@pytest.mark.parametrize("name", POLICIES)
def test_it_sends_them_to_the_last_bit_and_the_others_as_without_them(name):
    policy, without = build(WITH, name), build(SPEC, name)
    chunk, alone = policy.act(observe(5)), without.act(observe(5))
    assert chunk.actions.shape == (5, T, len(WITH))
    assert torch.equal(chunk.actions[..., STANDS], SENT.expand(5, T, 2))
    assert torch.equal(chunk.actions[..., MOVING], alone.actions)
    if alone.tokens is not None:
        assert torch.equal(chunk.tokens, alone.tokens)
    if alone.expected_error is not None:
        assert torch.equal(chunk.expected_error[..., MOVING], alone.expected_error)
        assert (chunk.expected_error[..., STANDS] == 0).all()


@pytest.mark.parametrize("name", POLICIES)
def test_they_cost_nothing_in_the_loss(name):
    policy, without = build(WITH, name), build(SPEC, name)
    actions, other = done(), done()
    other[..., STANDS] = torch.tensor([-1.0, 99.0])
    loss = policy.loss(loss_of(policy), batch(actions)).loss
    assert torch.equal(loss, policy.loss(loss_of(policy), batch(other)).loss)
    assert torch.equal(loss, without.loss(loss_of(without), batch(actions, MOVING)).loss)
    assert policy.count(batch(actions)) == without.count(batch(actions, MOVING))


@pytest.mark.parametrize("name", ["prefix", "regression_prefix"])
def test_what_is_committed_is_told_of_by_what_moves(name):
    policy, without, actions = build(WITH, name), build(SPEC, name), done()
    steps = torch.tensor([0, 1, 2, 2])
    seen = replace(observe(4), prefix=Prefix(actions[:, :2], steps))
    alone = replace(observe(4), prefix=Prefix(actions[:, :2, MOVING], steps))
    chunk = policy.act(seen)
    assert torch.equal(chunk.actions[..., MOVING], without.act(alone).actions)
    assert torch.equal(chunk.actions[..., STANDS], SENT.expand(4, T, 2))
    noisy = RandomPrefix(WITH, 2, noise=3.0)(batch(actions)).observation.prefix
    assert torch.equal(noisy.actions[..., STANDS], SENT.expand(4, 2, 2))
    assert not torch.equal(noisy.actions[..., MOVING], actions[:, :2, MOVING])


@pytest.mark.parametrize("generation", ["autoregressive", "parallel"])
def test_a_language_model_answers_in_tokens_of_what_moves(gpt2, generation):
    config = {
        "name": "language_model",
        "model": str(gpt2),
        "tokenizer": {"name": "uniform", "horizon": T, "bins": V},
        "head": {"name": "free"},
        "observation": {"numbers": SIZES, "tasks": ["lift"]},
        "prompt": "Task: {task}.",
        "decoding": "argmax",
        "generation": generation,
    }
    policy = build_policy(WITH, config).eval()
    chunk = policy.act(replace(observe(2), tasks=("lift", "lift")))
    assert chunk.tokens.shape == (2, T * len(SPEC))
    assert torch.equal(chunk.actions[..., STANDS], SENT.expand(2, T, 2))
    losses = policy.loss(loss_of(policy), replace(batch(done(2)), observation=replace(observe(2), tasks=("lift",) * 2)))
    assert torch.isfinite(losses.loss)


@pytest.mark.parametrize("name", POLICIES)
def test_it_is_rebuilt_from_its_config_its_spec_and_its_state(name):
    policy = build(WITH, name)
    spec = type(WITH).from_dict(json.loads(json.dumps(WITH.to_dict())))
    again = build_policy(spec, json.loads(json.dumps(policy.config())), None).eval()
    again.load_state_dict(policy.state_dict())
    assert torch.equal(again.act(observe(3)).actions, policy.act(observe(3)).actions)


def test_a_belief_is_of_what_moves():
    belief = next_action_belief(build(WITH, "token"), observe(1))
    assert belief.values.shape == belief.probabilities.shape == (len(SPEC), V)
