from dataclasses import replace

import numpy as np
import pytest
import torch

from dist2_robot.checkpoints.golden import GOLDEN_FILE, golden_tensors
from dist2_robot.checkpoints.store import load_policy, save_checkpoint
from dist2_robot.deploy.forms.eager_policy import EagerPolicy, blank_request
from dist2_robot.deploy.forms.forms import load_inference
from dist2_robot.deploy.forms.inference_checks import RequestError, check_answer, check_request
from dist2_robot.deploy.inference import Inferred
from dist2_robot.errors import InputError
from dist2_robot.types import ActionChunk
from tests.checkpoints.saved import manifest_of, observation, save
from tests.data.recordings import NAMES, SPEC
from tests.deploy.policies import FRONT, STATE, card, features
from tests.training.tiny import tiny_policy


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save(tmp_path_factory.mktemp("run"), 3)


def seen(row: int = 0) -> dict[str, np.ndarray]:
    return {name: x[row].numpy() for name, x in observation().features.items()}


def test_it_does_what_the_policy_does(saved):
    policy, _ = load_policy(saved)
    expected = policy.act(observation())
    inference = EagerPolicy.load(saved)
    for row in range(5):
        found = inference.infer(seen(row), None, None)
        torch.testing.assert_close(torch.from_numpy(found.actions), expected.actions[row].float())
        by_step = expected.entropy[row].reshape(3, -1).mean(1)  # tokens of a step stand beside each other
        torch.testing.assert_close(torch.from_numpy(found.entropy), by_step.float())
        assert found.seconds > 0


def test_its_card_tells_what_the_checkpoint_is(saved):
    found = EagerPolicy.load(saved).card
    assert (found.form, found.horizon, found.max_prefix, found.golden_wrong) == ("eager", 3, 0, 0)
    assert found.spec == SPEC
    assert found.observation_names == NAMES
    assert found.tokenizer["name"] == "uniform"
    assert len(found.digest) == 64
    assert found.digest != EagerPolicy.load(save(saved.parents[1], 4, seed=1)).card.digest


def test_golden_tokens_that_differ_are_counted(tmp_path):
    policy = tiny_policy(0).eval()
    golden = golden_tensors(policy, observation())
    golden["tokens"][0, 0] = (golden["tokens"][0, 0] + 1) % 16
    save_checkpoint(tmp_path / "c", manifest_of(policy, 1), policy.state_dict(), {GOLDEN_FILE: golden})
    assert EagerPolicy.load(tmp_path / "c").card.golden_wrong == 1
    save_checkpoint(tmp_path / "d", manifest_of(policy, 1), policy.state_dict())
    assert EagerPolicy.load(tmp_path / "d").card.golden_wrong is None


def test_tokens_that_belong_to_no_step_give_all_steps_the_mean(tmp_path):
    policy = tiny_policy(0, changes={"tokenizer": {"name": "dct", "horizon": 4, "bins": 16}})
    policy.tokenizer.fit(torch.randn(20, 4, len(SPEC)))
    save_checkpoint(tmp_path / "c", manifest_of(policy, 1), policy.eval().state_dict())
    entropy = EagerPolicy.load(tmp_path / "c").infer(seen(), None, None).entropy
    assert entropy.shape == (4,)
    assert np.ptp(entropy) == 0


@pytest.mark.fault("D1")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_never_reaches_the_policy(saved, value, monkeypatch):
    inference = EagerPolicy.load(saved)
    broken = seen() | {"observation.state": np.array([0.0, value, 0.0], np.float32)}
    monkeypatch.setattr(inference._policy, "act", lambda _: pytest.fail("the policy was asked"))
    with pytest.raises(RequestError, match=r"'observation\.state' holds a number that is not finite"):
        inference.infer(broken, None, None)


@pytest.mark.fault("D1")
@pytest.mark.parametrize("where", ["weights", "statistics"])
def test_a_checkpoint_that_is_not_finite_is_refused_when_it_is_loaded(tmp_path, where):
    policy = tiny_policy(0).eval()
    state = policy.state_dict()
    name = next(n for n in state if n.endswith("_mean" if where == "statistics" else "place"))
    state[name].fill_(np.nan)
    save_checkpoint(tmp_path / "c", manifest_of(policy, 1), state)
    with pytest.raises(InputError, match=r"holds weights that are no numbers.*damaged"):
        EagerPolicy.load(tmp_path / "c")


@pytest.mark.fault("D2")
@pytest.mark.parametrize("fault", ["short", "long", "wide", "nan", "token", "tokens", "error"])
def test_a_chunk_that_is_not_as_promised_is_rejected_whole(saved, fault, monkeypatch):
    inference = EagerPolicy.load(saved)
    good = inference._policy.act(observation(1))
    a, t = good.actions, good.tokens
    bad = {
        "short": replace(good, actions=a[:, :2]),
        "long": replace(good, actions=torch.cat([a, a], 1)),
        "wide": replace(good, actions=torch.cat([a, a], 2)),
        "nan": replace(good, actions=a * np.nan),
        "token": replace(good, tokens=t + 16),
        "tokens": replace(good, tokens=t[:, :-1]),
        "error": replace(good, expected_error=torch.full_like(a, torch.inf)),
    }[fault]
    assert isinstance(bad, ActionChunk)
    monkeypatch.setattr(inference._policy, "act", lambda _: bad)
    with pytest.raises(ValueError, match="the policy gave"):
        inference.infer(seen(), None, None)


@pytest.mark.fault("D2")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({STATE: None}, f"'{STATE}' is missing"),
        ({FRONT: None}, f"'{FRONT}' is missing"),
        ({STATE: np.zeros(3, np.float32)}, "must be"),
        ({STATE: np.zeros((1, 2), np.float32)}, "must be"),
        ({STATE: np.array(["a", "b"])}, "must be"),
        ({FRONT: np.zeros((3, 4, 6), np.uint8)}, "must be"),
        ({FRONT: np.zeros((4, 0, 3), np.uint8)}, "must be"),
        ({FRONT: np.zeros((1, 5000, 3), np.uint8)}, "at most 4096 pixels"),
        ({FRONT: np.full((4, 6, 3), np.nan, np.float32)}, "finite"),
        ({FRONT: np.zeros((4, 6, 3), np.int64)}, "bytes"),
    ],
)
def test_a_request_of_another_shape_is_refused(change, message):
    asked = {name: x for name, x in (features() | change).items() if x is not None}
    with pytest.raises(RequestError, match=message):
        check_request(card(), asked, None, None)


def test_a_request_may_have_pictures_of_any_size_and_more_features():
    asked = features() | {FRONT: np.zeros((48, 64, 3), np.uint8), "observation.extra": np.zeros(4, np.float32)}
    check_request(card(), asked, "Push.", np.zeros((2, 2), np.float32))


@pytest.mark.parametrize("prefix", [np.zeros((3, 2)), np.zeros((1, 3)), np.zeros(2), np.full((1, 2), np.nan)])
def test_a_prefix_that_the_policy_cannot_take_is_refused(prefix):
    with pytest.raises(RequestError, match="the prefix"):
        check_request(card(), features(), None, prefix)


def test_a_policy_that_is_told_what_to_do_refuses_to_guess():
    told = card(observation=replace(card().observation, tasks=("Push.", "Pull.")))
    check_request(told, features(), "Pull.", None)
    with pytest.raises(RequestError, match=r"give a task, such as 'Push\.'"):
        check_request(told, features(), None, None)


def test_histories_have_their_moments_first():
    remembers = card(observation=replace(card().observation, history=2))
    asked = {name: np.stack([x, x]) for name, x in features().items()}
    check_request(remembers, asked, None, None)
    for name in asked:
        with pytest.raises(RequestError, match=f"'{name}' must be"):
            check_request(remembers, asked | {name: features()[name]}, None, None)
    assert blank_request(remembers)[0][FRONT].shape == (2, 4, 6, 3)


def test_an_answer_without_beliefs_is_whole():
    check_answer(card(), Inferred(np.zeros((3, 2), np.float32), None, None, 0.0))


def test_an_unknown_form_is_refused_by_name():
    with pytest.raises(InputError, match=r"no form 'eagre'\. Did you mean 'eager'"):
        load_inference("eagre", "run")


@pytest.mark.slow
def test_a_compiled_policy_gives_the_same_tokens(saved):
    compiled = load_inference("compiled", saved)
    assert (compiled.card.form, compiled.card.golden_wrong) == ("compiled", 0)
    np.testing.assert_allclose(
        compiled.infer(seen(), None, None).actions, EagerPolicy.load(saved).infer(seen(), None, None).actions, rtol=1e-4
    )


@pytest.mark.fault("D12")
def test_what_is_committed_comes_back_as_it_is(tmp_path):
    policy = tiny_policy(0, changes={"max_prefix": 2}).eval()
    save_checkpoint(tmp_path / "c", manifest_of(policy, 1), policy.state_dict())
    inference = EagerPolicy.load(tmp_path / "c")
    assert inference.card.max_prefix == 2
    low, high = (np.array([getattr(d, end) for d in SPEC.dimensions], np.float32) for end in ("low", "high"))
    prefix = np.stack([0.3 * low + 0.7 * high, 0.6 * low + 0.4 * high])
    free = inference.infer(seen(), None, None).actions
    for steps in (1, 2):
        found = inference.infer(seen(), None, prefix[:steps]).actions
        np.testing.assert_array_equal(found[:steps], prefix[:steps])
        assert (found[steps:] != free[steps:]).any()
    with pytest.raises(RequestError, match="at most 2 steps"):
        inference.infer(seen(), None, np.concatenate([prefix, prefix]))


@pytest.mark.fault("A7")
def test_an_answer_far_beyond_the_limits_is_none():
    sound = Inferred(np.zeros((3, 2), np.float32), None, None, 0.0)
    check_answer(card(), sound)
    for value in (9.8e29, -300.0):
        actions = sound.actions.copy()
        actions[1, 0] = value
        with pytest.raises(ValueError, match=r"for 'pan', whose limits are \[-90, 90\]"):
            check_answer(card(), replace(sound, actions=actions))
