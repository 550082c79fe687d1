"""LeRobot's policies behind our contract: they see what ours see, ignore padding, and come back from a checkpoint."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.golden import check_golden, golden_tensors
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.checkpoints.store import load_policy, save_checkpoint
from dist2_robot.errors import InputError
from dist2_robot.lerobot.baselines.register import register_baselines
from dist2_robot.losses.own import OwnLoss
from dist2_robot.types import Batch, Observation, ObservationSpec

SPEC = ActionSpec(
    (
        ActionDimension("x", "ee_position", "m", -2.0, 2.0),
        ActionDimension("angle", "joint", "rad", -3.0, 3.0, wraps=True),
    ),
    control_mode="absolute",
    rate_hz=10.0,
    source="environment",
)
CAMERA = "observation.images.front"
STATE, AROUND = "observation.state", "observation.environment_state"
TWO = ObservationSpec({STATE: 3, AROUND: 2})
SEEING = ObservationSpec({STATE: 3}, {CAMERA: (32, 32)})
ACT = {
    **{"name": "act", "horizon": 8, "width": 16, "heads": 2, "feedforward": 16, "encoder_layers": 1, "dropout": 0.0},
    **{"decoder_layers": 1, "use_vae": False, "latent": 4, "vae_layers": 1, "kl_weight": 10.0},
}
DIFFUSION = {
    **{"name": "diffusion", "horizon": 8, "widths": [8, 16], "kernel": 3, "groups": 4, "step_width": 8},
    **{"scheduler": "DDIM", "train_steps": 20, "act_steps": 2},
}
VQBET = {
    **{"name": "vqbet", "horizon": 4, "width": 16, "depth": 1, "heads": 2, "dropout": 0.0, "codes": 4},
    **{"code_width": 8, "code_hidden": 8, "fit_steps": 3},
}
CONFIGS = {"act": ACT, "act with a VAE": ACT | {"use_vae": True}, "diffusion": DIFFUSION}

register_baselines()


def build(config, observation=TWO, **changes):
    torch.manual_seed(0)
    return build_policy(SPEC, {**config, **changes, "observation": observation.to_dict()})


@cache
def make_batch(horizon=8, seed=0, size=6):
    rng = torch.Generator().manual_seed(seed)
    features = {STATE: torch.randn(size, 3, generator=rng), AROUND: torch.randn(size, 2, generator=rng)}
    features[CAMERA] = torch.randint(0, 256, (size, 32, 32, 3), generator=rng, dtype=torch.uint8)
    actions = torch.rand(size, horizon, 2, generator=rng) * torch.tensor([4.0, 6.0]) - torch.tensor([2.0, 3.0])
    padding = torch.zeros(size, horizon, dtype=torch.bool)
    padding[0, horizon // 2 :] = True
    return Batch(Observation(features), actions, padding)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_step_makes_the_loss_smaller(name):
    policy, batch = build(CONFIGS[name]), make_batch()
    policy.fit_actions(batch.actions, batch.is_padding)
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    losses = []
    for _ in range(25):
        torch.manual_seed(1)  # the same noise, so that losses compare
        output = policy.loss(OwnLoss(), batch)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses.append(output.loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert all(not part.requires_grad for part in output.parts.values())


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_padding_counts_for_nothing(name):
    policy, batch = build(CONFIGS[name]).eval(), make_batch()
    changed = torch.where(batch.is_padding[..., None], batch.actions + 1, batch.actions)
    # The noisy chunk of diffusion goes through the network whole, so that its padding must be the same.
    losses = []
    for actions in (batch.actions, changed) if name != "diffusion" else (batch.actions,) * 2:
        torch.manual_seed(2)
        losses.append(policy.loss(OwnLoss(), replace(batch, actions=actions)).loss.item())
    assert losses[0] == losses[1]
    everything = replace(batch, is_padding=torch.zeros_like(batch.is_padding))
    torch.manual_seed(2)
    assert policy.loss(OwnLoss(), everything).loss.item() != losses[0]


@pytest.mark.parametrize("name", CONFIGS)
def test_it_comes_back_from_a_checkpoint_and_acts_the_same(name, tmp_path):
    policy, batch = build(CONFIGS[name]).eval(), make_batch()
    policy.fit_actions(batch.actions, batch.is_padding)
    policy.normalizer.fit(batch.observation.features)
    golden = golden_tensors(policy, batch.observation)
    empty = {"observation_names": {}, "environments": [], "tasks": [], "dataset": {}, "provenance": {}}
    manifest = Manifest(policy=policy.config(), action_spec=SPEC.to_dict(), step=1, golden_tasks=[], **empty)
    save_checkpoint(tmp_path / "saved", manifest, policy.state_dict(), {"golden.safetensors": golden})
    loaded, _ = load_policy(tmp_path / "saved")
    assert type(loaded) is type(policy)
    assert loaded.config() == policy.config()
    assert check_golden(loaded, golden, []) == 0
    assert torch.equal(loaded.scale.shift, policy.scale.shift)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_seed_gives_a_chunk_within_the_limits(name):
    policy, batch = build(CONFIGS[name]).eval(), make_batch()
    policy.scale.factor.fill_(50.0)  # far beyond the limits
    chunks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        chunks.append(policy.act(batch.observation).actions)
    assert torch.equal(chunks[0], chunks[1])
    assert torch.equal(chunks[0], chunks[2]) == (name != "diffusion")
    assert chunks[0].shape == (6, 8, 2)
    assert (chunks[0].abs() <= torch.tensor([2.0, 3.0])).all()


@pytest.mark.parametrize(("config", "expected"), [(ACT, (0.0, 1.0)), (DIFFUSION, (-1.0, 1.0))])
def test_actions_are_scaled_as_lerobot_does_and_back(config, expected):
    policy, batch = build(config), make_batch()
    policy.fit_actions(batch.actions, batch.is_padding)
    seen = batch.actions[~batch.is_padding]
    scaled = policy.scale(seen)
    measured = (scaled.mean(0), scaled.std(0, correction=0)) if config is ACT else (scaled.amin(0), scaled.amax(0))
    for found, wanted in zip(measured, expected, strict=True):
        assert torch.allclose(found, torch.full((2,), wanted), atol=1e-5)
    assert torch.allclose(policy.scale.undo(scaled), seen, atol=1e-5)


def test_a_dimension_that_never_moved_is_not_divided_by_nothing():
    policy = build(DIFFUSION)
    policy.fit_actions(torch.full((4, 8, 2), 0.5), torch.zeros(4, 8, dtype=torch.bool))
    assert torch.equal(policy.scale(torch.full((2,), 0.5)), torch.zeros(2))
    assert torch.equal(policy.scale.factor, torch.ones(2))


@pytest.mark.parametrize(
    ("observation", "state", "around"),
    [(TWO, 3, 2), (ObservationSpec({STATE: 5}), 3, 2), (ObservationSpec({AROUND: 5}), 3, 2), (SEEING, 3, 0)],
)
def test_all_numbers_go_into_two_vectors_or_beside_pictures_into_one(observation, state, around):
    features = build(ACT, observation).trunk.encoder.features
    assert features[STATE].shape == (state,)
    assert (AROUND in features) == bool(around)
    if around:
        assert features[AROUND].shape == (around,)


def test_numbers_are_seen_on_our_scale():
    policy, batch = build(ACT), make_batch()
    policy.normalizer.fit(batch.observation.features)
    seen = policy.inputs(batch.observation)
    assert torch.allclose(torch.cat([seen[STATE], seen[AROUND]], 1).mean(0), torch.zeros(5), atol=1e-5)


@pytest.mark.parametrize(
    ("config", "observation", "words"),
    [
        (ACT, replace(TWO, history=2), "one moment"),
        (ACT, replace(TWO, tasks=("a", "b")), "not told"),
        (ACT, ObservationSpec({STATE: 1}), "two observed numbers"),
        (DIFFUSION, ObservationSpec({}, {CAMERA: (32, 32)}), "numbers"),
        (VQBET, TWO, "exactly one picture"),
        (DIFFUSION | {"horizon": 6}, TWO, "multiple"),
        (ACT | {"heads": 3}, TWO, "policy 'act'"),
        (ACT | {"layers": 3}, TWO, "layers"),
    ],
)
def test_what_they_cannot_do_is_told_in_one_line(config, observation, words):
    with pytest.raises(InputError, match=words) as error:
        build(config, observation)
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("config", [ACT, DIFFUSION, VQBET])
def test_with_a_picture_they_train_and_act(config):
    policy, batch = build(config, SEEING), make_batch(config["horizon"])
    policy.fit_actions(batch.actions, batch.is_padding)
    policy.train()
    policy.loss(OwnLoss(), batch).loss.backward()
    policy.eval()
    assert policy.act(batch.observation).actions.shape == (6, config["horizon"], 2)
    if config is VQBET:
        assert policy.trunk.network.vqbet.action_head.vqvae_model.discretized
        assert not any(p.requires_grad for p in policy.trunk.network.vqbet.action_head.vqvae_model.parameters())


@pytest.mark.parametrize("name", [*CONFIGS, "vqbet"])
def test_a_column_that_never_moves_is_not_learned_and_sent_as_recorded(name):
    still = ActionDimension("finger", "gripper", "%", 0.0, 100.0, constant=41.3)
    spec = replace(SPEC, dimensions=(SPEC.dimensions[0], still, SPEC.dimensions[1]))
    config = {**CONFIGS, "vqbet": VQBET}[name]
    config = config | {"observation": (SEEING if name == "vqbet" else TWO).to_dict()}
    batch, sent = make_batch(config["horizon"]), torch.tensor(41.3)
    columns = torch.stack([batch.actions[..., 0], sent.expand(6, config["horizon"]), batch.actions[..., 1]], dim=-1)
    found = []
    for these, actions in ((SPEC, batch.actions), (spec, columns)):
        torch.manual_seed(0)
        policy = build_policy(these, config)
        policy.fit_actions(actions, batch.is_padding)
        policy.eval()
        torch.manual_seed(1)
        loss = policy.loss(OwnLoss(), replace(batch, actions=actions)).loss
        torch.manual_seed(2)
        found.append((loss, policy.act(batch.observation).actions))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1][..., [0, 2]])
    assert (found[1][1][..., 1] == sent).all()
