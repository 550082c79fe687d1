"""An exported policy is the policy, or is not exported."""

import json
import shutil

import numpy as np
import pytest
import torch

from dist2_robot.checkpoints.golden import GOLDEN_FILE
from dist2_robot.checkpoints.manifest import MANIFEST_FILE
from dist2_robot.checkpoints.store import MODEL_FILE
from dist2_robot.deploy.forms.eager_policy import EagerPolicy
from dist2_robot.deploy.forms.export import ParityError, export_policy, random_observation
from dist2_robot.deploy.forms.exported_folder import EXPORT_FILE, GRAPH_FILE
from dist2_robot.deploy.forms.exported_policy import ExportedPolicy, golden_request, load_exported
from dist2_robot.deploy.forms.policy_graph import PolicyGraph, trace
from dist2_robot.errors import InputError
from dist2_robot.types import Observation
from tests.deploy.exported import FRONT, NUMBERS, STILL, TOKENIZERS, regression_policy, save, small_policy

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore")

TOLD = {"numbers": NUMBERS, "tasks": ["Push.", "Pull it."]}
SEEN = {"numbers": NUMBERS, "pictures": {FRONT: [16, 24]}}
SQUARED = {"name": "squared", "unit": "tolerance"}
TRACEABLE = [name for name in TOKENIZERS if name != "fast"]
EVERYTHING = {
    "history": {"observation": {"numbers": NUMBERS, "history": 2}},
    "cameras": {"observation": SEEN, "vision": {"name": "conv", "channels": 8, "keypoints": 4}},
    "embedding": {"observation": TOLD, "instruction": {"name": "embedding"}},
    "words": {"observation": TOLD, "instruction": {"name": "words"}},
    "prefix": {"max_prefix": 2},
    "autoregressive": {"generation": "autoregressive"},
    "mixture": {"head": {"name": "mixture"}, "decoding": "local_mean"},
    "smooth": {"head": {"name": "smooth"}, "decoding": "median"},
    "factored": {"head": {"name": "factored"}, "decoding": "mean"},
    "min_risk": {"decoding": "min_risk", "distance": SQUARED},
}


def same_as_eager(policy, run):
    """Compare what a graph gives with what the policy does, on observations near its statistics."""
    seen = random_observation(policy, 8, seed=2)
    graph = PolicyGraph(policy)
    for row in range(8):
        features = {name: x[row : row + 1] for name, x in seen.features.items()}
        tasks = None if seen.tasks is None else seen.tasks[row : row + 1]
        prefix = None if seen.prefix is None else seen.prefix.rows(row, row + 1)
        wanted = policy.act(Observation(features, tasks, prefix))
        inputs = [features[name].float() for name in policy.observation.names]
        inputs += [] if tasks is None else [torch.tensor([policy.observation.tasks.index(tasks[0])])]
        inputs += [] if prefix is None else [prefix.actions, prefix.steps]
        given = dict(zip(graph.outputs, run(*inputs), strict=True))
        torch.testing.assert_close(given["actions"], wanted.actions, rtol=1e-4, atol=1e-4)
        if wanted.tokens is not None:
            assert torch.equal(given["tokens"], wanted.tokens)
            torch.testing.assert_close(given["entropy"].mean(), wanted.entropy.mean(), rtol=1e-3, atol=1e-4)
        if wanted.expected_error is not None:
            torch.testing.assert_close(given["expected_error"], wanted.expected_error, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.fault("D16")
@pytest.mark.parametrize("name", TRACEABLE)
def test_every_tokenizer_but_fast_is_traced_to_the_same_tokens(name):
    policy = small_policy(name)
    with torch.inference_mode():
        same_as_eager(policy, trace(policy)[1].module())


@pytest.mark.slow
@pytest.mark.fault("D16")
@pytest.mark.parametrize("name", EVERYTHING)
def test_every_part_is_traced_to_the_same_tokens(name):
    policy = small_policy(**EVERYTHING[name])
    with torch.inference_mode():
        same_as_eager(policy, trace(policy)[1].module())


@pytest.mark.slow
@pytest.mark.fault("D16")
@pytest.mark.parametrize("name", ["quantile", "residual_vq", *EVERYTHING])
def test_in_onnx_it_gives_the_same_tokens_and_the_same_answer(tmp_path, name):
    policy = small_policy(name) if name in TOKENIZERS else small_policy(**EVERYTHING[name])
    checkpoint = save(tmp_path / "checkpoint", policy)
    exported = export_policy(checkpoint, tmp_path / "out", "onnx")
    assert exported.parity.golden_wrong == 0
    assert exported.parity.random_same > 0.999
    ours, eager = load_exported(tmp_path / "out"), EagerPolicy.load(checkpoint)
    assert ours.card.form == "onnx"
    assert ours.card.golden_wrong == 0
    assert (ours.card.digest, ours.card.spec, ours.card.observation) == (
        eager.card.digest,
        eager.card.spec,
        eager.card.observation,
    )
    request = request_of(policy, ours)
    a, b = ours.infer(*request), eager.infer(*request)
    np.testing.assert_allclose(a.actions, b.actions, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(a.entropy, b.entropy, rtol=1e-3, atol=1e-4)
    assert (a.expected_error is None) == (b.expected_error is None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["quantile", "residual_vq", "regression"])
def test_columns_that_never_move_are_sent_as_recorded_from_onnx_too(tmp_path, kind):
    policy = regression_policy(STILL) if kind == "regression" else small_policy(kind, STILL, max_prefix=2)
    checkpoint = save(tmp_path / "checkpoint", policy)
    exported = export_policy(checkpoint, tmp_path / "out", "onnx")
    assert exported.parity.golden_wrong == 0
    assert exported.parity.random_same > 0.999
    ours = load_exported(tmp_path / "out")
    assert ours.card.spec == STILL
    for inference in (ours, EagerPolicy.load(checkpoint)):
        given = inference.infer(*request_of(policy, ours))
        assert given.actions.shape == (4, 5)
        assert (given.actions[:, [0, 3]] == np.array([0.1, 41.3], np.float32)).all()
        assert given.expected_error is None or (given.expected_error[:, [0, 3]] == 0).all()


def request_of(policy, inference):
    seen = random_observation(policy, 1, seed=3)
    golden = dict(seen.features)
    if seen.prefix is not None:
        golden |= {"prefix.actions": seen.prefix.actions, "prefix.steps": seen.prefix.steps}
    return golden_request(inference.card, golden, list(seen.tasks or ()), 0)


@pytest.mark.slow
def test_a_picture_of_another_size_is_seen_as_the_checkpoint_sees_it(tmp_path):
    policy = small_policy(**EVERYTHING["cameras"])
    checkpoint = save(tmp_path / "checkpoint", policy)
    export_policy(checkpoint, tmp_path / "out", "onnx")
    ours, eager = load_exported(tmp_path / "out"), EagerPolicy.load(checkpoint)
    features, task, prefix = request_of(policy, ours)
    features[FRONT] = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    a, b = ours.infer(features, task, prefix), eager.infer(features, task, prefix)
    np.testing.assert_allclose(a.actions, b.actions, rtol=1e-4, atol=1e-3)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A checkpoint, and what was exported of it."""
    folder = tmp_path_factory.mktemp("exported")
    save(folder / "checkpoint", small_policy())
    export_policy(folder / "checkpoint", folder / "onnx", "onnx")
    return folder


@pytest.fixture
def damaged(exported, tmp_path):
    return shutil.copytree(exported / "onnx", tmp_path / "onnx")


@pytest.mark.slow
def test_eight_bits_are_reported_and_not_required(exported, tmp_path):
    report = export_policy(exported / "checkpoint", tmp_path / "out", "onnx_int8")
    assert 0 < report.parity.random_same <= 1
    card = load_exported(tmp_path / "out").card
    assert (card.form, card.golden_wrong) == ("onnx_int8", report.parity.golden_wrong)


@pytest.mark.slow
@pytest.mark.fault("S1")
def test_torch_export_holds_a_checkpoint_and_no_archive(exported, tmp_path):
    export_policy(exported / "checkpoint", tmp_path / "out", "torch_export")
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {EXPORT_FILE, GOLDEN_FILE, f"checkpoint/{MANIFEST_FILE}", f"checkpoint/{MODEL_FILE}"}
    assert load_exported(tmp_path / "out").card.golden_wrong == 0


@pytest.mark.slow
@pytest.mark.fault("D16")
def test_other_tokens_and_nothing_is_written(exported, tmp_path, monkeypatch):
    real = ExportedPolicy.outputs

    def off_by_one(self, *request):
        out = dict(real(self, *request))
        return out | {"tokens": out["tokens"] ^ (np.arange(out["tokens"].shape[1]) == 0)}

    monkeypatch.setattr(ExportedPolicy, "outputs", off_by_one)
    with pytest.raises(ParityError, match=r"^the exported policy is not the same: 4 of 48 golden[^\n]+$"):
        export_policy(exported / "checkpoint", tmp_path / "out", "onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.fault("D1")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_before_and_after(exported, bad):
    policy = load_exported(exported / "onnx")
    features = {name: np.zeros(size, np.float32) for name, size in NUMBERS.items()}
    policy.infer(features, None, None)
    with pytest.raises(ValueError, match="not finite"):
        policy.infer(features | {"observation.state": np.full(3, bad, np.float32)}, None, None)
    with pytest.raises(ValueError, match="must be"):
        policy.infer(features | {"observation.state": np.zeros(4, np.float32)}, None, None)


@pytest.mark.slow
@pytest.mark.fault("D1")
@pytest.mark.parametrize("kind", ["token", "regression"])
def test_numbers_that_overflow_inside_come_out_as_no_action(tmp_path, kind):
    """A runtime may clip NaN, or take the first of such tokens: the graph marks them."""
    policy = small_policy() if kind == "token" else regression_policy()
    checkpoint = save(tmp_path / "checkpoint", policy)
    export_policy(checkpoint, tmp_path / "out", "onnx")
    ours = load_exported(tmp_path / "out")
    import onnx
    import onnxruntime

    model = onnx.load(tmp_path / "out" / GRAPH_FILE)
    for weight in model.graph.initializer:  # as a flipped bit in memory would
        if weight.name.endswith(("head.linear.bias", "policy.linear.bias")):
            array = onnx.numpy_helper.to_array(weight).copy()
            array[0] = np.inf
            weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ours._run._session = session
    features = {name: np.zeros(size, np.float32) for name, size in NUMBERS.items()}
    with pytest.raises(ValueError, match="not finite"):
        ours.infer(features, None, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", [GRAPH_FILE, GOLDEN_FILE, EXPORT_FILE])
@pytest.mark.parametrize("how", ["cut", "flipped", "missing", "link"])
def test_a_damaged_folder_is_refused_and_the_file_is_named(damaged, tmp_path, name, how):
    path = damaged / name
    content = bytearray(path.read_bytes())
    path.unlink()
    if how == "cut":
        path.write_bytes(content[:-7])
    elif how == "flipped":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif how == "link":
        (tmp_path / "elsewhere").write_bytes(content)
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=rf"^[^\n]*{name}[^\n]*$"):
        load_exported(damaged)


@pytest.mark.slow
def test_only_known_files_are_read(damaged):
    content = json.loads((damaged / EXPORT_FILE).read_text())
    content["files"] = {"../../secret": "0" * 64}
    (damaged / EXPORT_FILE).write_text(json.dumps(content))
    with pytest.raises(InputError, match="sha256 differs"):
        load_exported(damaged)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tokenizer": "fast"}, "tokenizer=fast cannot"),
        ({"decoding": "sample"}, "decoding=sample cannot"),
        ({"tokenizer": "digits", "generation": "autoregressive", "queries": "token"}, "24 passes"),
    ],
)
def test_what_no_graph_can_hold_is_refused_by_name(tmp_path, changes, says):
    checkpoint = save(tmp_path / "checkpoint", small_policy(**changes))
    with pytest.raises(InputError, match=rf"^[^\n]*{says}[^\n]*$"):
        export_policy(checkpoint, tmp_path / "out", "onnx")
    assert not (tmp_path / "out").exists()


def test_what_is_no_export_is_not_replaced(tmp_path):
    checkpoint = save(tmp_path / "checkpoint", small_policy())
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="something else"):
        export_policy(checkpoint, tmp_path / "out", "onnx")


def test_a_folder_that_is_no_export_is_refused(tmp_path):
    with pytest.raises(InputError, match="no exported policy"):
        load_exported(tmp_path)
