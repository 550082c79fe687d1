"""The policy plug-in, without LeRobot's commands."""

import json
import shutil

import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature, PreTrainedConfig
from lerobot.datasets.lerobot_dataset import LeRobotDatasetMetadata
from lerobot.policies import make_policy, make_pre_post_processors
from safetensors.torch import load_file, save_file

from dist2_robot.checkpoints.golden import GOLDEN_FILE, check_golden
from dist2_robot.checkpoints.store import load_policy, read_tensors
from dist2_robot.errors import InputError
from dist2_robot.lerobot.configuration_dist2 import Dist2Config
from dist2_robot.lerobot.modeling_dist2 import Dist2Policy
from dist2_robot.lerobot.recorded import _observation
from dist2_robot.types import Observation
from tests.checkpoints.saved import observation, save
from tests.data.recordings import LENGTHS, NAMES, write_filmed, write_reach
from tests.lerobot.plugged import fresh, rows

SEEN = ("observation.state", "observation.environment_state")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_reach(tmp_path_factory.mktemp("data") / "reach")


def seen(batch):
    """Return what our policies look at; LeRobot gives vectors of one number as that number."""
    return {"observation.state": batch[SEEN[0]], SEEN[1]: batch[SEEN[1]].reshape(*batch[SEEN[0]].shape[:-1], 1)}


def act(policy, batch):
    policy.reset()
    return policy.predict_action_chunk(batch)


def trained(root, tmp_path, steps=2, **choices):
    """Take some steps as lerobot-train does, and save."""
    policy, batch = fresh(root, **choices), rows(root)
    batch = make_pre_post_processors(policy.config)[0](batch)
    optimizer = torch.optim.AdamW(policy.get_optim_params(), lr=1e-2)
    policy.train()
    for _ in range(steps):
        loss, parts = policy.forward(batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        policy.update()
    policy.save_pretrained(tmp_path)
    return policy.eval(), batch, parts


def test_what_it_saves_is_a_checkpoint_of_ours(root, tmp_path):
    policy, batch, parts = trained(root, tmp_path)
    assert "energy" in parts
    ours, manifest = load_policy(tmp_path)
    assert torch.equal(ours.act(Observation(seen(batch))).actions, act(policy, batch))
    assert manifest.step == 2
    assert manifest.observation_names == NAMES
    assert manifest.dataset["episodes"] == len(LENGTHS)
    assert check_golden(ours, read_tensors(tmp_path, manifest, GOLDEN_FILE), manifest.golden_tasks) == 0


def test_a_run_of_lerobot_means_its_last_checkpoint(root, tmp_path):
    for step in ("000002", "000010"):
        trained(root, tmp_path / f"checkpoints/{step}/pretrained_model", steps=int(step))
    assert load_policy(tmp_path)[1].step == 10
    assert load_policy(tmp_path / "checkpoints/000002")[1].step == 2


def test_lerobot_loads_a_checkpoint_of_ours(root, tmp_path):
    folder = save(tmp_path, 7)
    config = PreTrainedConfig.from_pretrained(folder, cli_overrides=["--device=cpu", "--push_to_hub=false"])
    config.pretrained_path = folder
    policy = make_policy(config, ds_meta=LeRobotDatasetMetadata("local/data", root=root))
    before, after = make_pre_post_processors(config, pretrained_path=str(folder))
    ours, _ = load_policy(folder)
    look = observation()
    assert config.action_feature_names == list(ours.spec.names)
    assert torch.equal(after(act(policy, before(dict(look.features)))), ours.act(look).actions)
    assert config.chunk_size == ours.horizon


def test_saving_what_was_loaded_changes_nothing(root, tmp_path):
    trained(root, tmp_path / "a")
    Dist2Policy.from_pretrained(tmp_path / "a").save_pretrained(tmp_path / "b")
    first, second = (load_policy(tmp_path / name)[1] for name in "ab")
    assert first.files == second.files
    assert first.step == second.step == 2


def test_fine_tuning_moves_no_bin(root, tmp_path):
    policy, _, _ = trained(root, tmp_path / "a", tokenizer="quantile")
    config = PreTrainedConfig.from_pretrained(tmp_path / "a")
    config.pretrained_path = tmp_path / "a"
    other = write_reach(tmp_path / "other", seed=5)
    tuned = make_policy(config, ds_meta=LeRobotDatasetMetadata("local/other", root=other))
    fixed = [name for name, _ in policy.policy.named_buffers() if name.startswith(("tokenizer", "trunk.encoder.norm"))]
    assert fixed
    tuned.train()
    loss, _ = tuned.forward(rows(other))
    loss.backward()
    torch.optim.AdamW(tuned.get_optim_params(), lr=1.0).step()
    for name in fixed:
        assert torch.equal(tuned.policy.get_buffer(name), policy.policy.get_buffer(name))
    tuned.save_pretrained(tmp_path / "b")
    assert load_policy(tmp_path / "b")[1].dataset["root"] == str(other)


def test_data_of_another_robot_are_refused(root, tmp_path):
    trained(root, tmp_path / "a")
    config = PreTrainedConfig.from_pretrained(tmp_path / "a")
    config.pretrained_path = tmp_path / "a"
    other = shutil.copytree(root, tmp_path / "other")
    info = json.loads((other / "meta/info.json").read_text())
    info["features"]["observation.state"]["names"] = ["v", "x", "gripper"]
    (other / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match=r"trained on 'observation.state' of \['x', 'v', 'gripper'\]"):
        make_policy(config, ds_meta=LeRobotDatasetMetadata("local/other", root=other))


@pytest.mark.parametrize("options", [["--head=free"], ["--tokenizer=digits"], ["--chunk_size=6"], ["--width=32"]])
def test_a_trained_policy_keeps_what_it_is(root, tmp_path, options):
    trained(root, tmp_path)
    config = PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=options)
    with pytest.raises(InputError, match="the checkpoint was trained with"):
        Dist2Policy.from_pretrained(tmp_path, config=config)


def test_what_may_be_chosen_anew(root, tmp_path):
    trained(root, tmp_path)
    config = PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=["--decoding=argmax", "--n_action_steps=1"])
    assert Dist2Policy.from_pretrained(tmp_path, config=config).policy.decoding == "argmax"


@pytest.mark.fault("R2")
@pytest.mark.parametrize("change", ["missing", "more"])
def test_loading_is_strict(root, tmp_path, change):
    trained(root, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    if change == "missing":
        del tensors["trunk.encoder.place"]
    else:
        tensors["other"] = torch.zeros(1)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors"):
        Dist2Policy.from_pretrained(tmp_path)


@pytest.mark.fault("D1")
def test_a_state_that_is_not_a_number(root):
    policy, batch = fresh(root).eval(), rows(root)
    batch["observation.state"][1, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        policy.select_action(batch)


def test_actions_of_a_chunk_one_after_the_other(root):
    policy, batch = fresh(root, n_action_steps=3).eval(), rows(root)
    chunk = act(policy, batch)
    for step in (0, 1, 2, 0):
        assert torch.equal(policy.select_action(batch), chunk[:, step])
    policy.reset()
    assert torch.equal(policy.select_action(batch), chunk[:, 0])


def test_one_vector_of_all_that_a_robot_senses(root):
    policy, batch = fresh(root).eval(), rows(root)
    joined = {"observation.state": torch.cat([seen(batch)[name] for name in SEEN], dim=-1), "task": ""}
    assert torch.equal(act(policy, joined), act(policy, batch))
    joined["observation.state"] = joined["observation.state"][:, :-1]
    with pytest.raises(ValueError, match="not of 4"):
        act(policy, joined)


def test_moments_are_remembered(root):
    policy = fresh(root, n_obs_steps=2, n_action_steps=1).eval()
    batch = rows(root, history=2)
    batch["observation.environment_state"] = batch["observation.environment_state"][:, None].expand(-1, 2)
    policy.train()
    assert torch.isfinite(policy.forward(batch)[0])
    policy.eval()
    features = seen(batch)
    expected = policy.policy.act(Observation(features)).actions[:, 0]
    policy.reset()
    policy.select_action({name: x[:, 0] for name, x in features.items()})
    assert torch.equal(policy.select_action({name: x[:, 1] for name, x in features.items()}), expected)


def test_the_loss_of_each_row(root):
    policy, batch = fresh(root).eval(), rows(root)
    each, _ = policy.forward(batch, reduction="none")
    assert each.shape == (3,)
    assert torch.allclose(each.mean(), policy.forward(batch)[0], rtol=1e-5)


def test_regression(root, tmp_path):
    policy, batch, _ = trained(root, tmp_path, kind="regression", loss="l1")
    ours, _ = load_policy(tmp_path)
    assert torch.equal(ours.act(Observation(seen(batch))).actions, act(policy, batch))


def test_pictures(tmp_path):
    root = write_filmed(tmp_path / "filmed", size=32)
    camera = "observation.images.front"
    policy, batch = fresh(root, image_size=32, options={"size": {"channels": 8}}).eval(), rows(root)
    pictures = (batch[camera].movedim(1, -1) * 255).round().to(torch.uint8)
    expected = policy.policy.act(Observation({**seen(batch), camera: pictures})).actions
    assert torch.equal(act(policy, batch), expected)


def test_pictures_of_one_channel_are_left_out_and_the_recorded_size_is_kept(caplog):
    config = Dist2Config(device="cpu", push_to_hub=False, image_size=32)
    depth, front, wrist = (f"observation.images.{name}" for name in ("depth", "front", "wrist"))
    shapes = {depth: (1, 48, 64), front: (3, 48, 64), wrist: (48, 64, 3)}  # the last one with axes that LeRobot lacks
    features = {name: PolicyFeature(type=FeatureType.VISUAL, shape=shape) for name, shape in shapes.items()}
    spec = _observation(config, features, ())
    assert spec.pictures == {front: (32, 32), wrist: (32, 32)}
    assert spec.recorded == {front: (48, 64), wrist: (48, 64)}
    assert depth in caplog.text


def test_a_new_policy_needs_data():
    feature, action = PolicyFeature(FeatureType.STATE, (3,)), PolicyFeature(FeatureType.ACTION, (2,))
    config = Dist2Config(input_features={"observation.state": feature}, output_features={"action": action})
    with pytest.raises(InputError, match="fitted to data"):
        Dist2Policy(config)
