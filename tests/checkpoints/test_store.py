"""A checkpoint is there whole or not at all, and what is not as it was written is refused by name."""

import dataclasses
import json
import resource
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from dist2_robot.checkpoints import store
from dist2_robot.checkpoints.golden import GOLDEN_FILE, check_golden, golden_tensors
from dist2_robot.checkpoints.manifest import MANIFEST_FILE, Manifest
from dist2_robot.checkpoints.provenance import provenance
from dist2_robot.checkpoints.store import MODEL_FILE, find_checkpoint, load_policy, read_tensors, save_checkpoint
from dist2_robot.errors import InputError
from dist2_robot.types import Observation
from tests.data.recordings import NAMES, SPEC
from tests.training.tiny import tiny_policy

EXTRA = {"extra.safetensors": {"count": torch.tensor(7)}}


def observation(rows=5):
    generator = torch.Generator().manual_seed(1)
    return Observation({name: torch.randn(rows, len(names), generator=generator) for name, names in NAMES.items()})


def manifest_of(policy, step):
    return Manifest(
        policy=policy.config(),
        action_spec=SPEC.to_dict(),
        observation_names=NAMES,
        environments=[],
        tasks=[],
        dataset={"root": "somewhere"},
        step=step,
        provenance=provenance(),
        golden_tasks=[],
    )


def save(run, step, seed=0):
    policy = tiny_policy(seed).eval()
    folder = run / "checkpoints" / f"step_{step:07d}"
    golden = {GOLDEN_FILE: golden_tensors(policy, observation())}
    save_checkpoint(folder, manifest_of(policy, step), policy.state_dict(), EXTRA | golden)
    return folder


@pytest.fixture
def folder(tmp_path):
    return save(tmp_path, 1)


def complaint(folder):
    with pytest.raises(InputError) as caught:
        load_policy(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_was_saved_is_loaded_to_the_bit(folder):
    policy, expected = load_policy(folder)[0], tiny_policy().eval()
    for name, tensor in expected.state_dict().items():
        assert torch.equal(policy.state_dict()[name], tensor)
    assert not policy.training
    assert torch.equal(policy(observation()), expected(observation()))
    manifest = load_policy(folder)[1]
    assert dataclasses.replace(manifest, files={}) == manifest_of(expected, 1)
    assert torch.equal(read_tensors(folder, manifest, "extra.safetensors")["count"], torch.tensor(7))


def test_the_golden_pairs_are_given_again(folder):
    policy, manifest = load_policy(folder)
    assert check_golden(policy, read_tensors(folder, manifest, GOLDEN_FILE), []) == 0
    with torch.no_grad():
        policy.head.linear.weight.add_(torch.randn(policy.head.linear.weight.shape))
    assert check_golden(policy, read_tensors(folder, manifest, GOLDEN_FILE), []) > 0


def test_a_run_folder_means_its_best_else_its_last_checkpoint(tmp_path):
    folders = [save(tmp_path, step) for step in (5, 10, 100)]
    assert find_checkpoint(folders[0]) == folders[0]
    assert find_checkpoint(tmp_path) == folders[2]
    shutil.copytree(folders[1], tmp_path / "checkpoints" / "best")
    assert load_policy(tmp_path)[1].step == 10


class Killed(BaseException):
    """Stands for SIGKILL: nothing but the test may catch it."""


def dies_at(monkeypatch, target, name, call):
    """Let the call with this number, counted from 0, of a function end the process."""
    function = getattr(target, name)
    calls = iter(range(10**6))

    def dying(*arguments, **keywords):
        if next(calls) == call:
            raise Killed
        return function(*arguments, **keywords)

    monkeypatch.setattr(target, name, dying)


WRITE_POINTS = [
    *[(store, "save_file", call) for call in (0, 1, 2)],
    *[(store, "_sha256", call) for call in (0, 1, 2)],
    (Manifest, "to_json", 0),
    *[(store, "_sync", call) for call in range(6)],  # four files, their folder, and after all the folder above
    (store.Path, "mkdir", 1),
    (store.Path, "write_text", 0),
    (store.Path, "replace", 0),
]


@pytest.mark.fault("R1")
@pytest.mark.parametrize(("target", "name", "call"), WRITE_POINTS)
def test_killed_at_any_write_the_previous_checkpoint_loads(tmp_path, monkeypatch, target, name, call):
    save(tmp_path, 1, seed=1)
    with monkeypatch.context() as patch:
        dies_at(patch, target, name, call)
        with pytest.raises(Killed):
            save(tmp_path, 2, seed=2)
    policy, manifest = load_policy(tmp_path)
    is_in_place = (target, name, call) == (store, "_sync", 5)
    assert manifest.step == (2 if is_in_place else 1)
    assert torch.equal(policy.trunk.queries, tiny_policy(manifest.step).trunk.queries)
    save(tmp_path, 2, seed=2)  # the leftovers are no hindrance
    assert load_policy(tmp_path)[1].step == 2
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step_0000001", "step_0000002"]


@pytest.mark.fault("R1")
@pytest.mark.parametrize(("target", "name", "call"), [*WRITE_POINTS[:-1], (store.shutil, "rmtree", 1)])
def test_killed_while_replacing_a_checkpoint_a_whole_one_stays(tmp_path, monkeypatch, target, name, call):
    save(tmp_path, 1, seed=1)
    with monkeypatch.context() as patch:
        dies_at(patch, target, name, call)
        with pytest.raises(Killed):
            save(tmp_path, 1, seed=2)
    policy = load_policy(tmp_path)[0]
    assert any(torch.equal(policy.trunk.queries, tiny_policy(seed).trunk.queries) for seed in (1, 2))


@pytest.mark.fault("R3")
@pytest.mark.parametrize("room", [0, 1000, 8000])  # bytes a file may have
def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path, room):
    save(tmp_path, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(OSError, match=r"too large"):
            save(tmp_path, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_policy(tmp_path)[1].step == 1


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.fault("R2")
@pytest.mark.parametrize(
    "damage", [truncate, flip_a_bit, lambda path: path.unlink(), lambda path: path.write_bytes(b"")]
)
def test_a_damaged_file_is_named(folder, damage):
    damage(folder / MODEL_FILE)
    message = complaint(folder)
    assert f"'{folder / MODEL_FILE}'" in message
    assert "use another" in message


@pytest.mark.fault("R2")
@pytest.mark.parametrize(
    "damage", [truncate, lambda path: path.write_bytes(b"\xff"), lambda path: path.write_text("[]")]
)
def test_a_damaged_manifest_is_named(folder, damage):
    damage(folder / MANIFEST_FILE)
    assert f"'{folder / MANIFEST_FILE}'" in complaint(folder)


@pytest.mark.fault("R2")
def test_of_a_damaged_last_checkpoint_the_one_before_is_offered(tmp_path):
    before, last = save(tmp_path, 1), save(tmp_path, 2)
    truncate(last / MODEL_FILE)
    message = complaint(tmp_path)
    assert f"'{last / MODEL_FILE}'" in message
    assert str(before) in message


def change_manifest(folder, **changes):
    path = folder / MANIFEST_FILE
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "gone"}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format_version": 1}, "format version 1, this program reads 2"),
        ({"format_version": "gone"}, "format version None"),
        ({"surprise": 1}, "['surprise']"),
        ({"golden_tasks": "gone"}, "['golden_tasks']"),
    ],
)
def test_a_manifest_of_another_format_is_refused(folder, changes, says):
    change_manifest(folder, **changes)
    message = complaint(folder)
    assert says in message
    assert f"'{folder / MANIFEST_FILE}'" in message


@pytest.mark.fault("S2")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "os.system"}, "there is no policy 'os.system'"),
        ({"name": None}, "there is no policy 'None'"),
        ({"name": ["token"]}, "there is no policy"),
        ({"_target_": "os.system"}, "_target_"),
        ({"tokenizer": {"_target_": "os.system"}}, "tokenizer"),
        ({"tokenizer": {"name": "unifrom", "horizon": 3, "bins": 16}}, "Did you mean 'uniform'?"),
        ({"tokenizer": {"name": "uniform", "horizon": 3, "bins": 16, "_target_": "os.system"}}, "_target_"),
        ({"tokenizer": {"name": "uniform", "horizon": 3, "bins": "many"}}, "tokenizer"),
        ({"tokenizer": 5}, "tokenizer"),
        ({"head": {"name": "fre"}}, "Did you mean 'free'?"),
        ({"head": None}, "head"),
        ({"decoding": "argmx"}, "Did you mean 'argmax'?"),
        ({"width": "wide"}, "head 'free'"),
        ({"attention_heads": 3}, "attention heads"),
        ({"depth": None}, "policy"),
        ({"observation": {"numbers": {}}}, "feature"),
        ({"observation": [3]}, "policy"),
        ({"observation": {"numbers": {"x": "many"}}}, "policy"),
    ],
)
def test_a_manifest_names_what_is_in_the_registry_and_nothing_else(folder, changes, says):
    content = json.loads((folder / MANIFEST_FILE).read_text())
    change_manifest(folder, policy=content["policy"] | changes)
    assert says in complaint(folder)


@pytest.mark.parametrize("policy", [{}, [], None, "token"])
def test_a_manifest_without_a_policy_is_refused(folder, policy):
    change_manifest(folder, policy=policy)
    assert "policy" in complaint(folder)


@pytest.mark.parametrize(
    "spec", [{}, [], None, {"dimensions": 3, "control_mode": "delta", "rate_hz": 1, "source": "x"}]
)
def test_a_manifest_without_an_action_spec_is_refused(folder, spec):
    change_manifest(folder, action_spec=spec)
    assert f"'{folder / MANIFEST_FILE}'" in complaint(folder)


def rewrite(folder, tensors):
    """Put other weights in place, with the right hash."""
    save_file(tensors, folder / MODEL_FILE)
    content = json.loads((folder / MANIFEST_FILE).read_text())
    change_manifest(folder, files=content["files"] | {MODEL_FILE: store._sha256(folder / MODEL_FILE)})


@pytest.mark.fault("S4")
@pytest.mark.parametrize(
    "change",
    [
        lambda t: t | {"trunk.queries": t["trunk.queries"][:, :4].contiguous()},
        lambda t: t | {"stranger": torch.zeros(1)},
        lambda t: {name: tensor for name, tensor in t.items() if name != "trunk.queries"},
        lambda t: t | {"trunk.queries": t["trunk.queries"].half()},
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(folder, change):
    rewrite(folder, change(load_file(folder / MODEL_FILE)))
    message = complaint(folder)
    assert f"'{folder / MODEL_FILE}'" in message
    assert "trunk.queries" in message or "stranger" in message


@pytest.mark.fault("S1")
@pytest.mark.parametrize("content", [struct.pack("<Q", 2**60) + b"{}", b"\x80\x04cos\nsystem\n.", b"{}"])
def test_weights_that_are_no_safetensors_are_refused(folder, content):
    (folder / MODEL_FILE).write_bytes(content)
    files = {MODEL_FILE: store._sha256(folder / MODEL_FILE)}
    change_manifest(folder, files=files)
    assert f"'{folder / MODEL_FILE}'" in complaint(folder)


def test_what_is_no_checkpoint_is_told(tmp_path):
    assert f"'{tmp_path / 'nothing'}' does not exist" in complaint(tmp_path / "nothing")
    message = complaint(tmp_path)
    assert f"'{tmp_path}' is not a checkpoint" in message
    assert "give the output folder of dist2-train" in message


@pytest.mark.fault("S8")
def test_a_file_outside_the_folder_is_not_read(folder):
    save_file({"secret": torch.zeros(1)}, folder.parent / "secret.safetensors")
    with pytest.raises(InputError, match="is missing"):
        read_tensors(folder, load_policy(folder)[1], "../secret.safetensors")
