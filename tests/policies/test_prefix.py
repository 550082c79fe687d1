"""Chunks given what is committed. B batch, T steps, P committed steps, A action dimensions, L tokens of a chunk."""

import json
from dataclasses import replace

import pytest
import torch

from dist2_robot.checkpoints.registry import build_loss, build_policy
from dist2_robot.errors import InputError
from dist2_robot.types import Batch, Prefix
from tests.policies import test_regression_policy as regression
from tests.policies.test_token_policy import HIGH, LOW, SPEC, T, config, observe

P = T - 1
ROWS = 4
KINDS = {
    "token": config(),
    "autoregressive": config(generation="autoregressive"),
    "dct": {**config(queries="token"), "tokenizer": {"name": "dct", "horizon": T, "bins": 16}},
    "regression": regression.CONFIG,
}


def actions():
    return LOW + torch.rand(ROWS, T, len(SPEC)) * (HIGH - LOW)


def prefix_of(steps, chunk=None):
    return Prefix((actions() if chunk is None else chunk)[:, :P], torch.tensor(steps))


@pytest.fixture(params=KINDS)
def policy(request):
    return build_policy(SPEC, KINDS[request.param] | {"max_prefix": P}).eval()


def test_what_is_committed_stays_and_what_is_not_is_as_without(policy):
    seen, prefix = observe(ROWS), prefix_of([0, 1, 2, 0])
    chunk = policy.act(replace(seen, prefix=prefix))
    for row, steps in enumerate(prefix.steps.tolist()):
        assert torch.equal(chunk.actions[row, :steps], prefix.actions[row, :steps])
    free = policy.act(seen)
    assert torch.allclose(chunk.actions[0], free.actions[0], atol=1e-3)
    assert not torch.allclose(chunk.actions[2, 2:], free.actions[2, 2:], atol=1e-6)


def test_what_lies_beyond_the_committed_steps_is_not_read(policy):
    seen, prefix = observe(ROWS), prefix_of([1, 1, 0, 1])
    other = prefix.actions.clone()
    other[:, 1:] = torch.nan
    other[2] = torch.inf
    first, second = (policy.act(replace(seen, prefix=Prefix(x, prefix.steps))) for x in (prefix.actions, other))
    assert torch.equal(first.actions, second.actions)


def test_a_prefix_may_be_shorter_or_longer_than_the_most_there_can_be(policy):
    seen, chunk = observe(ROWS), actions()
    answers = [
        policy.act(replace(seen, prefix=Prefix(chunk[:, :width], torch.ones(ROWS, dtype=torch.long)))).actions
        for width in (1, P, T)
    ]
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])


@pytest.mark.fault("D2")
@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        (Prefix(torch.zeros(ROWS, T, 3), torch.full((ROWS,), P + 1)), "up to 2 committed steps, got 3"),
        (Prefix(torch.zeros(ROWS, 1, 3), torch.full((ROWS,), 2)), "as many actions"),
        (Prefix(torch.zeros(ROWS, P, 3), torch.full((ROWS,), -1)), "got -1"),
        (Prefix(torch.zeros(ROWS, P, 2), torch.zeros(ROWS, dtype=torch.long)), "actions"),
        (Prefix(torch.zeros(ROWS, P, 3), torch.zeros(ROWS + 1, dtype=torch.long)), "steps"),
        (Prefix(torch.full((ROWS, P, 3), torch.nan), torch.ones(ROWS, dtype=torch.long)), "not finite"),
    ],
)
def test_a_prefix_that_makes_no_sense_is_refused(policy, prefix, message):
    with pytest.raises(ValueError, match=message):
        policy.act(replace(observe(ROWS), prefix=prefix))


def test_without_the_option_nothing_changes_and_a_prefix_is_refused():
    torch.manual_seed(0)
    plain = build_policy(SPEC, KINDS["token"])
    torch.manual_seed(0)
    off = build_policy(SPEC, KINDS["token"] | {"max_prefix": 0})
    assert list(plain.state_dict()) == list(off.state_dict())
    seen = observe(ROWS)
    assert torch.equal(plain.act(seen).tokens, off.act(seen).tokens)
    with pytest.raises(ValueError, match="up to 0 committed steps"):
        plain.act(replace(seen, prefix=prefix_of([0, 1, 0, 0])))
    none = replace(seen, prefix=prefix_of([0] * ROWS))
    assert torch.equal(plain.act(none).tokens, plain.act(seen).tokens)


def test_the_loss_leaves_out_what_is_given(policy):
    done, is_padding = actions(), torch.zeros(ROWS, T, dtype=torch.bool)
    prefix = prefix_of([0, 1, 2, 0], done)
    batch = Batch(replace(observe(ROWS), prefix=prefix), done, is_padding)
    is_regression = not hasattr(policy, "tokenizer")
    loss = build_loss(getattr(policy, "tokenizer", None), {"name": "l1" if is_regression else "cross_entropy"})
    per_step = is_regression or policy.tokenizer.padding_mask(torch.ones(1, T, dtype=torch.bool)).all()
    assert int(policy.count(batch)) == (ROWS * T - 3 if per_step else ROWS * T) * len(SPEC)
    changed = done.clone()
    changed[1, 0], changed[2, :2] = HIGH, LOW  # only what is given, of which the policy knows otherwise
    same = replace(batch, actions=changed)
    is_autoregressive = getattr(policy, "generation", "") == "autoregressive"
    if per_step and not is_autoregressive:
        assert policy.loss(loss, batch).loss == policy.loss(loss, same).loss
    elif not per_step:
        assert policy.loss(loss, batch).loss != policy.loss(loss, same).loss


def test_every_weight_learns_from_a_batch_with_a_prefix(policy):
    done = actions()
    batch = Batch(replace(observe(ROWS), prefix=prefix_of([0, 1, 2, 0], done)), done, torch.zeros(ROWS, T).bool())
    is_regression = not hasattr(policy, "tokenizer")
    loss = build_loss(getattr(policy, "tokenizer", None), {"name": "l1" if is_regression else "cross_entropy"})
    policy.loss(loss, batch).loss.backward()
    prefix = policy.trunk.prefix
    for parameter in (prefix.linear.weight, prefix.is_known, prefix.place):
        assert parameter.grad is not None
        assert float(parameter.grad.abs().max()) > 0


def test_its_config_and_its_state_are_all_that_it_is(policy):
    again = build_policy(SPEC, json.loads(json.dumps(policy.config())))
    again.load_state_dict(policy.state_dict())
    seen = replace(observe(ROWS), prefix=prefix_of([0, 1, 2, 0]))
    assert again.max_prefix == P
    assert torch.equal(again.act(seen).actions, policy.act(seen).actions)


def test_either_end_of_a_circle_is_the_same_thing_to_know(policy):
    ends = [LOW.clone(), LOW.clone()]
    ends[1][0] = HIGH[0]
    seen = observe(ROWS)
    given = [Prefix(end.expand(ROWS, P, -1), torch.ones(ROWS, dtype=torch.long)) for end in ends]
    first, second = (policy(replace(seen, prefix=x), *_tokens(policy)) for x in given)
    assert torch.allclose(first, second, atol=1e-4)


def _tokens(policy):
    return (torch.zeros(ROWS, T * len(SPEC), dtype=torch.long),) if getattr(policy, "embedding", None) else ()


def test_more_than_a_chunk_but_one_cannot_be_committed():
    with pytest.raises(InputError, match="max_prefix"):
        build_policy(SPEC, KINDS["token"] | {"max_prefix": T})


@pytest.mark.parametrize("rule", ["local_mean", "argmax", "median", "sample"])
@pytest.mark.parametrize("generation", ["parallel", "autoregressive"])
def test_the_expected_error_is_the_mean_distance_of_the_belief_from_the_choice(rule, generation):
    policy = build_policy(SPEC, config(generation=generation) | {"decoding": rule, "max_prefix": P}).eval()
    seen = observe(ROWS)
    chunk = policy.act(seen)
    assert chunk.expected_error.shape == chunk.actions.shape
    if generation == "autoregressive":
        return  # its belief depends on what it chose before
    beliefs, values = torch.softmax(policy(seen).detach(), -1).double(), policy.tokenizer.values().double()
    for row in range(ROWS):
        for step in range(T):
            for a, dimension in enumerate(SPEC.dimensions):
                total = 0.0
                for p, v in zip(beliefs[row, step * 3 + a], values[step * 3 + a], strict=True):
                    d = abs(float(v) - float(chunk.actions[row, step, a]))
                    total += float(p) * (min(d, dimension.high - dimension.low - d) if dimension.wraps else d)
                assert float(chunk.expected_error[row, step, a]) == pytest.approx(total, rel=1e-3, abs=1e-4)


def test_nobody_doubts_what_is_committed_and_only_bins_know_of_errors(policy):
    chunk = policy.act(replace(observe(ROWS), prefix=prefix_of([2] * ROWS)))
    if hasattr(policy, "tokenizer") and policy.tokenizer.config()["name"] == "uniform":
        assert (chunk.expected_error[:, :2] == 0).all()
        assert (chunk.expected_error[:, 2] > 0).all()
        assert (chunk.entropy[:, : 2 * len(SPEC)] == 0).all()
    else:
        assert chunk.expected_error is None
