"""Laws of the token policy. B batch, T steps, A action dimensions, L tokens of a chunk, V vocabulary."""

import json
import math

import pytest
import torch

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.policies.decoding import RULES
from dist2_robot.types import ENVIRONMENT_STATE, STATE, Observation, Prediction

T, V = 3, 16
SPEC = ActionSpec(
    (
        ActionDimension("wrist", "joint", "rad", -math.pi, math.pi, wraps=True),
        ActionDimension("rail", "ee_position", "mm", 1000.0, 1200.0),
        ActionDimension("claw", "gripper", "%", 0.0, 100.0),
    ),
    control_mode="absolute",
    rate_hz=30.0,
    source="file",
)
LOW = torch.tensor([d.low for d in SPEC.dimensions])
HIGH = torch.tensor([d.high for d in SPEC.dimensions])
SIZES = {STATE: 4, ENVIRONMENT_STATE: 2}


def config(head="mixture", queries="step", generation="parallel"):
    return {
        "name": "token",
        "tokenizer": {"name": "uniform", "horizon": T, "bins": V},
        "head": {"name": head},
        "observation": {"numbers": SIZES},
        "width": 16,
        "depth": 2,
        "attention_heads": 2,
        "decoding": "local_mean",
        "queries": queries,
        "generation": generation,
        "distance": {"name": "squared"},
    }


def observe(rows, scale=1.0):
    return Observation({name: scale * torch.randn(rows, size) for name, size in SIZES.items()})


@pytest.fixture(params=[("free", "token"), ("mixture", "step"), ("mixture", "token")], ids="-".join)
def policy(request):
    """A policy whose outputs differ from row to row as those of a trained one do."""
    policy = build_policy(SPEC, config(*request.param))
    with torch.no_grad():
        policy.head.linear.weight *= 5
    return policy


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rows", [1, 5])
def test_an_action_is_a_chunk_in_the_units_of_the_spec_within_its_limits(policy, rows, rule):
    policy.decoding = rule
    chunk = policy.act(observe(rows, scale=5.0))
    assert chunk.actions.shape == (rows, T, len(SPEC))
    assert ((chunk.actions >= LOW - 1e-4) & (chunk.actions <= HIGH + 1e-4)).all()
    assert torch.equal(chunk.tokens, policy.tokenizer.encode(chunk.actions))
    assert ((chunk.entropy >= -1e-6) & (chunk.entropy <= math.log(V) + 1e-5)).all()
    assert not chunk.actions.requires_grad


def test_by_argmax_the_tokens_are_the_likeliest(policy):
    observation = observe(5)
    policy.decoding = "argmax"
    chunk = policy.act(observation)
    assert torch.equal(chunk.tokens, policy(observation).argmax(-1))
    assert torch.equal(chunk.actions, policy.tokenizer.decode(chunk.tokens))


def test_a_gripper_moves_to_a_bin_whatever_the_rule(policy):
    logits = policy(observe(5))
    at_bins = policy.decode(Prediction(logits), "argmax").actions[..., 2]
    for rule in set(RULES) - {"sample"}:
        assert torch.equal(policy.decode(Prediction(logits), rule).actions[..., 2], at_bins)


def test_only_the_angle_is_averaged_round_the_circle(policy):
    ends = torch.full((1, T * len(SPEC), V), -100.0)
    ends[..., 0] = ends[..., V - 1] = 0.0
    wrist, rail, _ = policy.decode(Prediction(ends), "mean").actions[0].T
    assert wrist.abs().tolist() == pytest.approx([math.pi] * T, abs=1e-4)
    assert rail.tolist() == pytest.approx([1100.0] * T, abs=1e-2)


def test_a_row_does_not_depend_on_the_other_rows(policy):
    policy.double()  # so that rounding cannot hide a small dependence
    features = {name: x.double() for name, x in observe(6).features.items()}
    together, entropy = policy(Observation(features)), policy.act(Observation(features)).entropy
    for row in range(6):
        alone = Observation({name: x[row : row + 1] for name, x in features.items()})
        assert torch.allclose(policy(alone)[0], together[row], atol=1e-9)
        assert torch.allclose(policy.act(alone).entropy[0], entropy[row], atol=1e-9)


def test_each_query_predicts_its_own_tokens(policy):
    policy.double()
    observation = Observation({name: x.double() for name, x in observe(2).features.items()})
    steps = torch.randperm(T)  # a wrapping dimension and a line do not trade places
    order = (steps[:, None] * (len(policy.trunk.queries) // T) + torch.arange(len(policy.trunk.queries) // T)).flatten()
    before = torch.softmax(policy(observation), -1).unflatten(1, (len(order), -1))
    with torch.no_grad():
        policy.trunk.queries.copy_(policy.trunk.queries[order])
    after = torch.softmax(policy(observation), -1).unflatten(1, (len(order), -1))
    # Where a query is a token, positions of different dimensions trade places: their bins round a little differently.
    assert torch.allclose(after, before[:, order], atol=1e-3)


def test_nothing_is_remembered_from_one_act_to_the_next(policy):
    first, other = observe(2), observe(2)
    before = policy.act(first)
    policy.act(other)
    policy.reset()
    after = policy.act(first)
    assert torch.equal(before.actions, after.actions)


@pytest.mark.parametrize("name", SIZES)
def test_every_observed_number_counts(policy, name):
    observation = observe(1)
    x = observation.features[name].clone().requires_grad_()
    logits = policy(Observation({**observation.features, name: x}))
    (gradient,) = torch.autograd.grad(torch.log_softmax(logits, -1)[..., 3].sum(), x)
    assert (gradient.abs() > 0).all()


def test_what_it_was_not_built_for_is_ignored(policy):
    observation = observe(2)
    with_camera = Observation({"observation.images.front": torch.zeros(2, 3, 8, 8), **observation.features})
    assert torch.equal(policy(with_camera), policy(observation))


def test_the_unit_of_an_observation_does_not_matter_once_it_is_normalised(policy):
    columns = {name: torch.randn(100, size, dtype=torch.float64) for name, size in SIZES.items()}
    policy.normalizer.fit(columns)
    observation = observe(4)
    before = policy(observation)
    policy.normalizer.fit({name: 1000 * x + 70 for name, x in columns.items()})
    in_other_units = Observation({name: 1000 * x + 70 for name, x in observation.features.items()})
    assert torch.allclose(policy(in_other_units), before, atol=1e-3)


def test_a_number_that_was_constant_in_training_does_not_explode(policy):
    columns = {name: torch.randn(100, size, dtype=torch.float64) for name, size in SIZES.items()}
    columns[STATE][:, 1] = 0.3 + 1e-8 * columns[STATE][:, 1]
    policy.normalizer.fit(columns)
    observation = observe(4)
    observation.features[STATE][:, 1] = 0.3
    before = policy(observation)
    observation.features[STATE][:, 1] += 1e-4  # a little noise of a sensor
    assert torch.allclose(policy(observation), before, atol=0.05)


def test_its_config_and_its_state_are_all_that_it_is(policy):
    policy.normalizer.fit({name: 3 + 2 * torch.randn(50, size) for name, size in SIZES.items()})
    spec = ActionSpec.from_dict(json.loads(json.dumps(SPEC.to_dict())))
    again = build_policy(spec, json.loads(json.dumps(policy.config())))
    assert list(again.state_dict()) == list(policy.state_dict())
    again.load_state_dict(policy.state_dict(), strict=True)
    assert again.config() == policy.config()
    observation = observe(4)
    before, after = policy.act(observation), again.act(observation)
    assert torch.equal(before.tokens, after.tokens)
    assert torch.equal(before.actions, after.actions)


def test_limits_and_statistics_are_in_its_state(policy):
    names = {name.rpartition(".")[0] for name, _ in policy.named_buffers() if name in policy.state_dict()}
    assert names == {"tokenizer", "trunk.encoder.normalizer"}


@pytest.mark.fault("D1")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("name", SIZES)
def test_a_state_that_is_not_finite_is_an_error(policy, name, bad):
    observation = observe(3)
    observation.features[name][2, 1] = bad
    with pytest.raises(ValueError, match=f"'{name}'.*not finite"):
        policy.act(observation)


@pytest.mark.fault("D1")
def test_weights_that_are_not_finite_are_an_error(policy):
    with torch.no_grad():
        policy.trunk.queries[0, 0] = math.nan
    with pytest.raises(ValueError, match="logits that are not finite"):
        policy.act(observe(2))


@pytest.mark.fault("D1")
def test_statistics_that_are_not_finite_are_an_error(policy):
    policy.normalizer.get_buffer("observation_state_mean")[0] = math.nan
    with pytest.raises(ValueError, match="not finite"):
        policy.act(observe(2))


@pytest.mark.fault("D2")
def test_a_state_of_another_width_is_an_error(policy):
    observation = observe(3)
    with pytest.raises(ValueError, match=f"'{STATE}' must be"):
        policy.act(Observation({**observation.features, STATE: torch.zeros(3, 1)}))


def test_an_unknown_rule_is_refused_when_the_policy_is_built():
    policy = build_policy(SPEC, config())
    arguments = {"width": 16, "depth": 1, "attention_heads": 2, "decoding": "modal"}
    with pytest.raises(ValueError, match="'modal'"):
        type(policy)(SPEC, policy.tokenizer, policy.head, policy.trunk.encoder, **arguments)


def test_an_unknown_kind_of_query_is_refused_when_the_policy_is_built():
    policy = build_policy(SPEC, config())
    arguments = {"width": 16, "depth": 1, "attention_heads": 2, "queries": "joint"}
    with pytest.raises(ValueError, match="'joint'"):
        type(policy)(SPEC, policy.tokenizer, policy.head, policy.trunk.encoder, **arguments)
