"""Checkpoints that somebody made to do harm: refused in one line, before they cost anything."""

import json
import os
import resource

import pytest
import torch
from safetensors.torch import load_file, save_file

from dist2_robot.checkpoints.golden import GOLDEN_FILE, check_golden_shapes, golden_tensors
from dist2_robot.checkpoints.manifest import DIGEST, MANIFEST_FILE, _digest, read_manifest
from dist2_robot.checkpoints.manifest_check import check_self_contained
from dist2_robot.checkpoints.registry import build_tokenizer
from dist2_robot.checkpoints.store import MODEL_FILE, _sha256, load_policy
from dist2_robot.errors import InputError
from dist2_robot.tokenizers.byte_pairs import check_merges
from tests.checkpoints.saved import observation, save
from tests.data.recordings import SPEC
from tests.training.tiny import tiny_policy


@pytest.fixture
def folder(tmp_path):
    return save(tmp_path / "run", 1)


def change(folder, entries):
    """Change entries of a manifest, by dotted name, with a hash that fits."""
    path = folder / MANIFEST_FILE
    content = json.loads(path.read_text())
    content.pop(DIGEST)
    for key, value in entries.items():
        *parents, last = key.split(".")
        place = content
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place[parent]
        place[int(last) if isinstance(place, list) else last] = value
    path.write_text(json.dumps(content | {DIGEST: _digest(content)}))


def change_weights(folder, name, changed):
    tensors = load_file(folder / MODEL_FILE)
    tensors[name] = changed(tensors[name])
    save_file(tensors, folder / MODEL_FILE)
    files = json.loads((folder / MANIFEST_FILE).read_text())["files"]
    change(folder, {"files": files | {MODEL_FILE: _sha256(folder / MODEL_FILE)}})


def complaint(folder):
    with pytest.raises(InputError) as caught:
        load_policy(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


@pytest.mark.fault("A6")
@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("policy.depth", 10**9),
        ("policy.depth", 20_000),
        ("policy.width", 40_000),
        ("policy.tokenizer.horizon", 10**8),
        ("policy.tokenizer.bins", 10**9),
        ("policy.observation.history", 10**8),
    ],
)
def test_sizes_that_the_weights_do_not_have_take_no_memory(folder, entry, value):
    load_policy(folder)  # so that what is loaded once is not counted
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    change(folder, {entry: value})
    complaint(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


@pytest.mark.fault("A7")
@pytest.mark.parametrize("changed", [lambda x: x * 1e30, lambda x: x + 100, lambda x: x.flip(-1), lambda x: x * 0])
def test_edges_that_do_not_fit_the_action_spec_are_refused(folder, changed):
    change_weights(folder, "tokenizer.edges", changed)
    complaint(folder)


@pytest.mark.fault("A7")
def test_limits_of_a_regression_policy_are_those_of_the_spec():
    from dist2_robot.checkpoints.registry import build_policy

    policy = tiny_policy()
    names = ("observation", "width", "depth", "attention_heads")
    config = {"name": "regression", "horizon": 3, **{name: policy.config()[name] for name in names}}
    rival = build_policy(policy.spec, config)
    rival.check_loaded()
    rival.high.mul_(1e30)
    with pytest.raises(ValueError, match="'high'"):
        rival.check_loaded()


FITTED = [
    {"name": name, "horizon": 8}
    for name in ("uniform", "quantile", "mu_law", "gaussian", "per_dimension", "digits", "dct", "bspline", "fast")
] + [{"name": "fsq", "horizon": 8, "levels": [4, 4]}, {"name": "residual_vq", "horizon": 8}]


@pytest.mark.fault("A7")
@pytest.mark.parametrize("config", FITTED, ids=lambda config: config["name"])
def test_what_was_fitted_passes_and_what_was_blown_up_does_not(config):
    spec = SPEC
    tokenizer = build_tokenizer(spec, config)
    low, high = (torch.tensor([getattr(d, side) for d in spec.dimensions]) for side in ("low", "high"))
    tokenizer.fit(low + (high - low) * torch.rand(300, 8, len(spec), generator=torch.Generator().manual_seed(0)))
    tokenizer.check_fitted()
    state = {name: x for name, x in tokenizer.state_dict().items() if x.is_floating_point()}
    for value in (1e30, torch.nan):
        for name, x in state.items():
            kept = x.clone()
            x.fill_(value)
            with pytest.raises(ValueError, match=r"^[^\n]+$"):
                tokenizer.check_fitted()
            assert name in tokenizer.state_dict()
            x.copy_(kept)


@pytest.mark.fault("A7")
def test_merges_that_double_sixty_times_are_never_written_out():
    doubling = torch.tensor([[0, 0], *([i, i] for i in range(1, 60))]).numpy()
    for merges in (doubling, torch.tensor([[0, 5]]).numpy(), torch.tensor([[0, -1]]).numpy()):
        with pytest.raises(ValueError, match="cannot have been learned"):
            check_merges(1, merges)


@pytest.mark.fault("A8")
def test_a_huge_file_with_holes_is_refused_by_its_header(folder):
    for size in (2**30, 137 * 10**9):
        os.truncate(folder / MODEL_FILE, size)
        assert str(size) in complaint(folder)


@pytest.mark.fault("A8")
@pytest.mark.parametrize("name", [MODEL_FILE, MANIFEST_FILE])
def test_a_pipe_or_a_device_in_place_of_a_file_is_refused(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert "no regular file" in complaint(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    complaint(folder)


WRONG = {
    "observation_names.observation.state": 5,
    "observation_names": {"observation.state": [1, 2, 3]},
    "tasks": [7],
    "golden_tasks": ["x" * 10**5],
    "observation_units": {"observation.state": "deg"},
    "environments": [{"id": "os:system", "kwargs": {}}],
    "step": 10**400,
    "files": {MODEL_FILE: 7},
    "policy.observation.numbers": {"": 3},
    "policy.observation.pictures": {"front": [10**9, 3]},
    "policy.observation.tasks": [["nested"]],
    "policy.observation.history": 2.5,
    "policy.width": 10**400,
    "policy.depth": float("inf"),
    "dataset.note": float("nan"),
    "provenance": {"a": json.loads("[" * 50 + "]" * 50)},
    "action_spec.rate_hz": 10**400,
    "action_spec.dimensions": {"a": 1},
    "action_spec.dimensions.0.name": ["x"],
    "action_spec.dimensions.0.unit": 3,
    "action_spec.dimensions.0.low": 10**400,
    "action_spec.dimensions.0.constant": 10**400,
}


@pytest.mark.fault("A11")
@pytest.mark.fault("A12")
@pytest.mark.parametrize("entry", WRONG)
def test_an_entry_of_the_wrong_type_or_size_is_named(folder, entry):
    if entry == "observation_names.observation.state":
        change(folder, {"observation_names": {"observation.state": WRONG[entry]}})
    else:
        change(folder, {entry: WRONG[entry]})
    with pytest.raises(InputError, match=r"^[^\n]+$") as caught:
        read_manifest(folder)
    assert MANIFEST_FILE in str(caught.value)
    told = ("bits",) if WRONG[entry] == 10**400 else (entry.split(".")[0], "action")
    assert any(word in str(caught.value) for word in told)


@pytest.mark.fault("A11")
def test_names_of_other_numbers_than_are_observed_are_refused(folder):
    change(folder, {"observation_names": {"observation.state": ["x"]}})
    with pytest.raises(InputError, match="observation_names"):
        read_manifest(folder)


@pytest.mark.fault("A4")
@pytest.mark.parametrize(
    "policy",
    [
        {"vision": {"name": "timm", "model": "hf-hub:someone/net"}},
        {"vision": {"name": "timm", "model": "local-dir:/tmp/net"}},
        {"vision": {"name": "resnet18", "weights": "/etc/passwd"}},
        {"instruction": {"name": "text_model", "path": "/tmp/model"}},
        {"model": "/tmp/model"},
    ],
)
def test_a_checkpoint_names_nothing_outside_itself(policy):
    with pytest.raises(ValueError, match=r"'policy\."):
        check_self_contained(policy)


@pytest.mark.fault("A4")
@pytest.mark.parametrize("model", ["hf-hub:someone/net", "local-dir:/tmp", "../net", "timm/resnet18.a1_in1k", 5, ""])
def test_only_names_of_timm_are_asked_for(model, monkeypatch):
    timm = pytest.importorskip("timm")
    from dist2_robot.models.timm_encoder import TimmEncoder

    monkeypatch.setattr(timm, "create_model", lambda *_, **__: pytest.fail("timm was asked"))
    with pytest.raises(ValueError, match="timm has no model"):
        TimmEncoder((32, 32), 16, model=model)


@pytest.mark.fault("A12")
def test_weights_that_are_no_numbers_are_refused(folder):
    change_weights(folder, "head.linear.weight", lambda x: torch.full_like(x, torch.nan))
    assert "head.linear.weight" in complaint(folder)


@pytest.mark.fault("A12")
@pytest.mark.fault("A8")
@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": torch.zeros(200_000, 6, dtype=torch.long)},
        {"observation.state": torch.zeros(5)},
        {"observation.state": torch.full((5, 3), torch.nan)},
        {"observation.state": torch.zeros(5, 3, dtype=torch.bool)},
        {"tokens": torch.zeros(5, 6)},
        {"tokens": torch.zeros(())},
        {"more": torch.zeros(5)},
        {"prefix.steps": torch.zeros(5, dtype=torch.long)},
        None,
    ],
)
def test_golden_pairs_of_another_shape_are_refused(changes):
    policy = tiny_policy().eval()
    golden = golden_tensors(policy, observation())
    check_golden_shapes(golden, [], policy.observation, len(policy.spec))
    changed = {} if changes is None else golden | changes
    with pytest.raises(ValueError, match="golden"):
        check_golden_shapes(changed, [], policy.observation, len(policy.spec))


@pytest.mark.fault("A12")
def test_a_golden_file_of_many_rows_is_refused_before_it_is_tried(folder):
    from dist2_robot.deploy.forms.eager_policy import EagerPolicy

    golden = {name: x[:1].expand(200_000, *x.shape[1:]) for name, x in load_file(folder / GOLDEN_FILE).items()}
    save_file({name: x.contiguous() for name, x in golden.items()}, folder / GOLDEN_FILE)
    files = json.loads((folder / MANIFEST_FILE).read_text())["files"]
    change(folder, {"files": files | {GOLDEN_FILE: _sha256(folder / GOLDEN_FILE)}})
    with pytest.raises(InputError, match=r"golden\.safetensors.*1 to 256"):
        EagerPolicy.load(folder)
