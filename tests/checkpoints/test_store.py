"""A checkpoint is there whole or not at all, and what is not as it was written is refused by name."""

import dataclasses
import json
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from dist2_robot.checkpoints import store
from dist2_robot.checkpoints.golden import check_golden
from dist2_robot.checkpoints.manifest import DIGEST, MANIFEST_FILE
from dist2_robot.checkpoints.store import MODEL_FILE, find_checkpoint, load_policy, read_tensors
from dist2_robot.errors import InputError
from tests.checkpoints.saved import manifest_of, observation, save
from tests.training.tiny import tiny_policy


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
    assert check_golden(policy, manifest.golden) == 0
    with torch.no_grad():
        policy.head.linear.weight.add_(torch.randn(policy.head.linear.weight.shape))
    assert check_golden(policy, manifest.golden) > 0


def test_a_run_folder_means_its_best_else_its_last_checkpoint(tmp_path):
    folders = [save(tmp_path, step) for step in (5, 10, 100)]
    assert find_checkpoint(folders[0]) == folders[0]
    assert find_checkpoint(tmp_path) == folders[2]
    shutil.copytree(folders[1], tmp_path / "checkpoints" / "best")
    assert load_policy(tmp_path)[1].step == 10


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
    """Change entries as a stranger would who hides it."""
    path = folder / MANIFEST_FILE
    content = json.loads(path.read_text()) | {DIGEST: "gone"} | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "gone"}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format_version": 2}, "format version 2, this program reads 1"),
        ({"format_version": "gone"}, "format version None"),
        ({"surprise": 1}, "['surprise']"),
        ({"golden": "gone"}, "['golden']"),
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
        ({"observation_sizes": {}}, "feature"),
        ({"observation_sizes": [3]}, "policy"),
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
