"""A checkpoint is there whole or not at all, and what is not as it was written is refused by name."""

import dataclasses
import json
import os
import shutil
import struct
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from dist2_robot.checkpoints import store
from dist2_robot.checkpoints.golden import GOLDEN_FILE, PREFIX_STEPS, check_golden, differ, golden_tensors
from dist2_robot.checkpoints.manifest import DIGEST, MANIFEST_FILE, read_manifest
from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.checkpoints.store import (
    MODEL_FILE,
    find_checkpoint,
    load_policy,
    numbered_checkpoints,
    read_tensors,
    save_checkpoint,
)
from dist2_robot.errors import InputError
from dist2_robot.json_file import MAX_BYTES
from dist2_robot.types import Prefix
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
    assert check_golden(policy, read_tensors(folder, manifest, GOLDEN_FILE), []) == 0
    with torch.no_grad():
        policy.head.linear.weight.add_(torch.randn(policy.head.linear.weight.shape))
    assert check_golden(policy, read_tensors(folder, manifest, GOLDEN_FILE), []) > 0


@pytest.mark.parametrize("kind", ["token", "regression"])
def test_golden_pairs_hold_what_was_committed(kind):
    policy = tiny_policy(changes={"max_prefix": 2}).eval()
    if kind == "regression":
        names = ("observation", "width", "depth", "attention_heads", "max_prefix")
        config = {"name": kind, "horizon": policy.horizon, **{name: policy.config()[name] for name in names}}
        policy = build_policy(policy.spec, config).eval()
    given = torch.rand(5, 2, len(policy.spec))
    seen = dataclasses.replace(observation(), prefix=Prefix(given, torch.tensor([0, 1, 2, 0, 1])))
    golden = golden_tensors(policy, seen)
    assert check_golden(policy, golden, []) == 0
    other = golden | {PREFIX_STEPS: torch.zeros(5, dtype=torch.long)}
    assert check_golden(policy, other, []) > 0


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


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A checkpoint with a state of training, to be copied."""
    return save(tmp_path_factory.mktemp("sound"), 1)


@pytest.mark.fault("R2")
@pytest.mark.parametrize("name", [MODEL_FILE, MANIFEST_FILE, "extra.safetensors"])
@settings(max_examples=60)
@given(data=st.data())
def test_whatever_bytes_are_damaged_nothing_else_is_loaded(sound, name, data):
    content = bytearray((sound / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    expected = load_policy(sound)
    with tempfile.TemporaryDirectory() as place:
        folder = shutil.copytree(sound, Path(place) / sound.name)
        (folder / name).write_bytes(content)
        said = ""
        try:
            policy, manifest = load_policy(folder)
            extra = read_tensors(folder, manifest, "extra.safetensors")
        except InputError as error:
            said = str(error)
    if said:
        assert f"'{folder / name}'" in said
        assert "\n" not in said
        return
    assert manifest == expected[1]
    assert extra == {"count": torch.tensor(7)}
    assert all(torch.equal(policy.state_dict()[key], x) for key, x in expected[0].state_dict().items())


@pytest.mark.fault("R2")
def test_a_missing_state_of_the_training_is_named(folder):
    manifest = load_policy(folder)[1]
    (folder / "extra.safetensors").unlink()
    with pytest.raises(InputError, match=r"extra\.safetensors' is missing: .*use another"):
        read_tensors(folder, manifest, "extra.safetensors")


def test_checkpoints_are_ordered_by_step_and_copies_are_none(tmp_path):
    for step in (9_999_999, 10_000_000, 5):
        save(tmp_path, step)
    shutil.copytree(tmp_path / "checkpoints/step_0000005", tmp_path / "checkpoints/step_0000005.backup")
    shutil.copytree(tmp_path / "checkpoints/step_0000005", tmp_path / "checkpoints/step_old")
    names = [path.name for path in numbered_checkpoints(tmp_path)]
    assert names == ["step_0000005", "step_9999999", "step_10000000"]


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
        ({"format_version": 1}, "format version 1, this program reads 2"),
        ({"format_version": "gone"}, "format version None"),
        ({"surprise": 1}, "['surprise']"),
        ({"golden_tasks": "gone"}, "['golden_tasks']"),
        ({"class": "os.system"}, "['class']"),
        ({"_target_": "os.system"}, "['_target_']"),
        ({"steps": [{"class": "x"}], "registry_name": "y"}, "['registry_name', 'steps']"),
        ({"step": "many"}, "'step'"),
        ({"step": True}, "'step'"),
        ({"files": 5}, "'files'"),
        ({"golden_tasks": {}}, "'golden_tasks'"),
        ({"observation_names": None}, "'observation_names'"),
        ({"observation_units": None}, "'observation_units'"),
        ({"observation_units": {"observation.state": "deg"}}, "'observation_units'"),
        ({"environments": "gym_dist2/MetaWorld-v0"}, "'environments'"),
        ({"environments": [{"id": "gym_dist2/MetaWorld-v0"}]}, "'environments'"),
        ({"environments": [{"id": 5, "kwargs": {}}]}, "'environments'"),
        ({"dataset": []}, "'dataset'"),
    ],
)
def test_a_manifest_of_another_format_is_refused(folder, changes, says):
    change_manifest(folder, **changes)
    message = complaint(folder)
    assert says in message
    assert f"'{folder / MANIFEST_FILE}'" in message


def test_units_of_what_is_observed_are_kept_and_the_first_manifests_had_none(tmp_path):
    policy = tiny_policy()
    units = {"observation.state": ["deg", "deg/s", "?"]}
    manifest = dataclasses.replace(manifest_of(policy, 1), observation_units=units)
    save_checkpoint(tmp_path / "run", manifest, policy.state_dict(), {})
    assert read_manifest(tmp_path / "run").observation_units == units
    change_manifest(tmp_path / "run", observation_units="gone")
    assert read_manifest(tmp_path / "run").observation_units == {}


@pytest.mark.parametrize(("source", "known"), [("data", False), ("environment", True)])
def test_units_that_were_guessed_from_the_name_of_a_robot_are_unknown(tmp_path, source, known):
    """Before manifests told units of states, percent of an SO-101 was called degrees, and sent as such."""
    policy = tiny_policy()
    manifest = manifest_of(policy, 1)
    manifest = dataclasses.replace(manifest, action_spec={**manifest.action_spec, "source": source})
    save_checkpoint(tmp_path / "run", manifest, policy.state_dict(), {})
    assert read_manifest(tmp_path / "run").action_spec == manifest.action_spec
    change_manifest(tmp_path / "run", observation_units="gone")
    found = [d["unit"] for d in read_manifest(tmp_path / "run").action_spec["dimensions"]]
    assert found == [d["unit"] if known else "?" for d in manifest.action_spec["dimensions"]]


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


@pytest.mark.fault("S4")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[" * 10**6, "nested too deep"),
        ('{"a":' * 10**5, "nested too deep"),
        (f'{{"format_version": {"1" * 5000}}}', "not valid JSON"),
        (" " * (MAX_BYTES + 1), "more than 32 MiB"),
    ],
)
def test_a_manifest_that_would_cost_too_much_is_refused(folder, content, says):
    (folder / MANIFEST_FILE).write_text(content)
    message = complaint(folder)
    assert says in message
    assert f"'{folder / MANIFEST_FILE}'" in message


@pytest.mark.fault("S8")
@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "..", "a/b", "a\\b", "a\0b", ""])
def test_a_manifest_names_files_of_its_own_folder_only(folder, name):
    change_manifest(folder, files=load_policy(folder)[1].files | {name: "0" * 64})
    assert "'files'" in complaint(folder)


@pytest.mark.fault("S8")
@pytest.mark.parametrize("name", [MODEL_FILE, MANIFEST_FILE])
def test_a_link_in_a_checkpoint_is_not_followed(folder, name):
    elsewhere = (folder / name).rename(folder.parents[1] / "elsewhere")
    (folder / name).symlink_to(elsewhere)
    message = complaint(folder)
    assert f"'{folder / name}' is a symbolic link" in message
    assert "copy the file itself" in message


@pytest.mark.fault("S8")
def test_a_pipe_in_place_of_a_manifest_does_not_block(folder):
    (folder / MANIFEST_FILE).unlink()
    os.mkfifo(folder / MANIFEST_FILE)
    assert "no regular file" in complaint(folder)


@pytest.mark.fault("S8")
def test_a_file_outside_the_folder_is_not_read(folder):
    save_file({"secret": torch.zeros(1)}, folder.parent / "secret.safetensors")
    with pytest.raises(InputError, match="is missing"):
        read_tensors(folder, load_policy(folder)[1], "../secret.safetensors")


def test_a_value_on_the_boundary_of_two_tokens_is_in_either(tmp_path):
    """An observation by itself, as a robot shows it, and several at once differ by rounding."""
    policy = tiny_policy().eval()
    golden = golden_tensors(policy, observation())
    chunk = policy.act(observation())
    edges, tokens = policy.tokenizer.boundaries(), golden["tokens"].clone()
    token = max(int(tokens[0, 0]), 1)
    for off, expected in ((1e-6, 0), (0.1, 1)):
        width = float(edges[0, token + 1] - edges[0, token])
        actions = chunk.actions.clone()
        actions[0, 0, 0] = float(edges[0, token]) + off * width
        here = dataclasses.replace(chunk, actions=actions, tokens=policy.tokenizer.encode(actions))
        written = here.tokens.clone()
        written[0, 0] = 2 * token - 1 - here.tokens[0, 0]  # the neighbour on the other side of the boundary
        assert int(differ(policy, here, written).sum()) == expected
    written[0, 0] += 3
    assert int(differ(policy, here, written).sum()) == 1
