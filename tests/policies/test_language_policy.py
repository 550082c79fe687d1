"""Laws of the language policy. B batch, L tokens of a chunk, V action tokens, W words."""

import json
import math
import shutil

import pytest
import torch

from dist2_robot.checkpoints.registry import build_loss, build_policy
from dist2_robot.errors import InputError
from dist2_robot.policies.decoding import RULES
from dist2_robot.types import Batch, Observation
from tests.models.tiny_language_models import WORDS, gpt2, llama
from tests.policies.test_token_policy import SIZES, SPEC, T, V, observe

__all__ = ["gpt2", "llama"]
L = T * len(SPEC)
TASKS = ("push the red block", "lift", "pull and lift the block", "push")
LOSSES = [
    {"name": "cross_entropy"},
    {"name": "vocab"},
    {"name": "dist2", "tau": 1.0, "alpha": 0.1, "distance": {"name": "squared", "unit": "bins"}},
    {"name": "dist2", "tau": 2.0, "alpha": 1.0, "ce_weight": 0.5, "distance": {"name": "squared"}},
]


def config(folder, **changes):
    return {
        "name": "language_model",
        "model": str(folder),
        "tokenizer": {"name": "uniform", "horizon": T, "bins": V},
        "head": {"name": "free"},
        "observation": {"numbers": SIZES, "tasks": list(TASKS)},
        "prompt": "Task: {task}.",
        "decoding": "argmax",
        "distance": {"name": "squared"},
    } | changes


def build(folder, **changes):
    """Return a policy whose outputs differ from row to row as those of a trained one do."""
    policy = build_policy(SPEC, config(folder, **changes)).eval()
    with torch.no_grad():
        policy.head.linear.weight *= 5
        policy.embedding.weight *= 20
        policy.trunk.norm.weight *= 20
    return policy


def told(rows=4):
    return Observation(observe(rows).features, TASKS[:rows])


@pytest.fixture(params=["llama", "gpt2"])
def folder(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["autoregressive", "parallel"])
def policy(request, folder):
    return build(folder, generation=request.param)


@pytest.mark.parametrize("rule", ["argmax", "local_mean", "median", "min_risk"])
@pytest.mark.parametrize("head", ["free", "mixture"])
def test_with_the_cache_each_token_is_chosen_by_the_logits_of_one_whole_pass(folder, head, rule):
    policy, observation = build(folder, head={"name": head}), told()
    policy.decoding = rule
    state, tokens, steps = policy._begin(observation), None, []
    chunk = policy.act(observation)
    for first in range(L):
        prediction = policy._predict(policy._extend(state, first, tokens), first)
        steps.append(prediction.logits)
        tokens = policy._choose(prediction, rule, first)[0].tokens
    assert torch.allclose(torch.cat(steps, dim=1), policy(observation, chunk.tokens), atol=1e-5)
    assert torch.equal(policy.decode(policy.predict(observation, chunk.tokens)).tokens, chunk.tokens)
    assert len(chunk.tokens.unique(dim=0)) > 1


def test_a_position_knows_the_tokens_before_it_and_none_after(folder):
    policy, observation = build(folder), told(1)
    tokens = torch.randint(V, (1, L))
    before = policy(observation, tokens)
    for changed in range(L):
        other = tokens.clone()
        other[0, changed] = (other[0, changed] + V // 2) % V
        differs = (policy(observation, other) - before).abs().amax(-1)[0] > 1e-5
        assert not differs[: changed + 1].any()
        assert differs[changed + 1 :].all()


def test_a_row_does_not_depend_on_the_other_rows(policy):
    observation, tokens = told(), torch.randint(V, (4, L))
    together = policy(observation, tokens)
    for row, task in enumerate(TASKS):
        alone = Observation({name: x[row : row + 1] for name, x in observation.features.items()}, (task,))
        assert torch.allclose(policy(alone, tokens[row : row + 1])[0], together[row], atol=1e-5)


def test_the_task_counts_and_so_does_every_number(policy):
    observation, tokens = told(2), torch.randint(V, (2, L))
    same_task = Observation(observation.features, (TASKS[1], TASKS[1]))
    differs = (policy(same_task, tokens) - policy(observation, tokens)).abs().amax((1, 2)) > 1e-4
    assert differs.tolist() == [True, False]
    for name in SIZES:
        x = observation.features[name].clone().requires_grad_()
        logits = policy(Observation({**observation.features, name: x}, observation.tasks), tokens)
        (gradient,) = torch.autograd.grad(torch.log_softmax(logits, -1)[..., 3].sum(), x)
        assert (gradient.abs() > 0).all()


def test_pictures_are_seen_among_the_words(folder):
    eyes = {"observation": {"numbers": SIZES, "pictures": {"front": [16, 16]}}, "generation": "parallel"}
    policy = build(folder, **eyes, vision={"name": "conv", "channels": 8, "keypoints": 4})
    seen = {**observe(2).features, "front": torch.randint(256, (2, 16, 16, 3))}
    before = policy(Observation(seen, TASKS[:2]))
    seen["front"][0] = 255 - seen["front"][0]
    differs = (policy(Observation(seen, TASKS[:2])) - before).abs().amax((1, 2)) > 1e-6
    assert differs.tolist() == [True, False]


@pytest.mark.parametrize("generation", ["autoregressive", "parallel"])
def test_only_action_tokens_that_a_position_has_are_generated(llama, generation):
    bins = [2, 16, 5]
    policy = build(
        llama,
        tokenizer={"name": "per_dimension", "horizon": T, "bins": bins},
        generation=generation,
        support="vocabulary",
    )
    with torch.no_grad():
        policy.head.linear.bias += torch.linspace(0, 50, 16)  # whoever may would say the last
        policy.trunk.language.word_output.weight.fill_(100)  # or a word
    allowed = torch.tensor(bins).repeat(T)
    for rule in RULES:
        policy.decoding = rule
        for _ in range(5):
            tokens = policy.act(told()).tokens
            assert (tokens < allowed).all()
    assert (tokens == allowed - 1).any()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: f"{loss['name']}-{loss.get('alpha', '')}")
def test_over_the_whole_vocabulary_the_loss_is_that_of_a_model_whose_layers_have_grown(folder, loss):
    """The softmax over V action tokens and W words, as published, with the gradients of all weights."""
    policy = build(folder, support="vocabulary")
    observation, tokens = told(), torch.randint(V, (4, L))
    predicted = policy.training_prediction(observation, tokens).logits
    short = build_loss(policy.tokenizer, loss, policy.token_ids)(predicted, tokens)
    language, features = policy.trunk.language, policy._features(observation, tokens)
    words = language.word_output or language.decoder.get_input_embeddings()
    logits = torch.cat([features @ words.weight.T, policy.head(features)], dim=-1)  # (B, L, W + V)
    ids = len(WORDS) + torch.arange(V)
    whole = build_loss(policy.tokenizer, loss, ids)(logits, tokens + len(WORDS))
    assert torch.allclose(short.loss, whole.loss, atol=1e-5)
    for name, part in whole.parts.items():
        assert torch.allclose(short.parts[name], part, atol=1e-5)
    parameters = [p for p in policy.parameters() if p.requires_grad]
    pairs = (torch.autograd.grad(output.loss, parameters, allow_unused=True) for output in (short, whole))
    for a, b in zip(*pairs, strict=True):
        assert (a is None) == (b is None)
        assert a is None or torch.allclose(a, b, atol=1e-5)


def test_the_whole_vocabulary_pushes_words_down_and_the_actions_alone_do_not(llama):
    for support, expected in (("vocabulary", True), ("actions", False)):
        policy = build(llama, support=support)
        loss = build_loss(policy.tokenizer, {"name": "cross_entropy"}, policy.token_ids)
        batch = Batch(told(), policy.tokenizer.decode(torch.randint(V, (4, L))), torch.zeros(4, T, dtype=torch.bool))
        policy.loss(loss, batch).loss.backward()
        words = policy.trunk.language.word_output
        assert (words is not None and bool(words.weight.grad.abs().sum() > 0)) == expected


@pytest.mark.parametrize("loss", ["energy", "emd", "label_smoothing"])
def test_a_loss_that_knows_action_tokens_alone_is_refused_over_the_whole_vocabulary(llama, loss):
    policy = build(llama, support="vocabulary")
    term = {"name": loss, "weight": 1.0} | ({"distance": {"name": "absolute"}} if loss == "energy" else {})
    with pytest.raises(InputError, match=f"'{loss}' knows action tokens alone: policy.support=vocabulary needs"):
        build_loss(policy.tokenizer, {"name": "sum", "terms": {"one": term}}, policy.token_ids)


def test_logits_are_worked_out_for_positions_of_actions_only(llama, monkeypatch):
    policy = build(llama, support="vocabulary")
    sizes, language = [], policy.trunk.language
    for owner, name in ((policy.head, "forward"), (language, "words_logit")):
        whole = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda x, *more, whole=whole: sizes.append(x.shape[1]) or whole(x, *more))
    policy.training_prediction(told(), torch.randint(V, (4, L)))
    assert sizes == [L, L]
    policy.act(told())
    assert sizes[2:] == [1] * L


@pytest.mark.parametrize("support", ["actions", "vocabulary"])
@pytest.mark.parametrize("lora", [None, {"rank": 2}])
def test_its_config_and_its_state_are_all_that_it_is(folder, tmp_path, support, lora):
    copy = shutil.copytree(folder, tmp_path / "model")
    policy = build(copy, support=support, lora=lora)
    shutil.rmtree(copy)
    again = build_policy(SPEC, json.loads(json.dumps(policy.config()))).eval()
    assert list(again.state_dict()) == list(policy.state_dict())
    again.load_state_dict(policy.state_dict(), strict=True)
    assert again.config() == policy.config()
    observation = Observation(observe(2).features, ("push the block", "red"))  # in words that the data never said
    assert torch.equal(policy.act(observation).tokens, again.act(observation).tokens)


def test_with_adapters_words_and_layers_stay_as_they_are(folder):
    policy = build(folder, lora={"rank": 2, "alpha": 4})
    before = {name: p.detach().clone() for name, p in policy.named_parameters()}
    optimizer = torch.optim.AdamW(policy.parameters(), 1e-2, weight_decay=0.1, fused=True)
    tokens = torch.randint(V, (4, L))
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(policy(told(), tokens).flatten(0, 1), tokens.flatten()).backward()
        optimizer.step()
    moved = {name for name, p in policy.named_parameters() if not torch.equal(p, before[name])}
    frozen = {n for n in before if n.startswith("trunk.language.") and ".lora_" not in n}
    assert moved == set(before) - frozen
    assert frozen


def test_without_a_task_it_does_the_only_one_that_it_knows_or_says_so(llama):
    features, tokens = observe(2).features, torch.randint(V, (2, L))
    with pytest.raises(ValueError, match="the observation says no task"):
        build(llama)(Observation(features), tokens)
    policy = build(llama, observation={"numbers": SIZES, "tasks": ["lift"]})
    assert torch.equal(policy(Observation(features), tokens), policy(Observation(features, ("lift", "lift")), tokens))


@pytest.mark.fault("D1")
def test_weights_that_are_not_finite_are_an_error(policy):
    with torch.no_grad():
        policy.head.linear.weight[0, 0] = math.nan
    with pytest.raises(ValueError, match="logits that are not finite"):
        policy.act(told())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"support": "text"}, "support must be one of"),
        ({"generation": "diffused"}, "generation must be one of"),
        ({"prompt": "do it"}, "{task}"),
        ({"model": "nowhere"}, "'nowhere' is not a folder"),
        ({"model": {"config": {"model_type": "os.system"}, "tokenizer_bytes": 3}}, "os.system"),
        ({"model": {"config": {"model_type": "llama", "auto_map": {"a": "b"}}, "tokenizer_bytes": 3}}, "auto_map"),
        ({"model": {"config": 5}}, "language_model"),
        ({"model": {"config": {"model_type": "llama"}}}, "language_model"),
        ({"model": {"config": {"model_type": "llama", "hidden_size": "x"}, "tokenizer_bytes": 3}}, "hidden_size"),
        ({"model": None}, "language_model"),
        ({"lora": {"rank": "many"}}, "rank"),
        ({"decoding": "argmx"}, "argmax"),
        ({"max_prefix": 4}, "policy.max_prefix must be 0"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_line(llama, changes, says):
    with pytest.raises(InputError) as caught:
        build_policy(SPEC, config(llama, **changes))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
