"""The claim on pictures: trials differ in nothing but the loss."""

import pytest
import torch
import yaml

from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.claims.frames import METHODS, PAPER, try_frames
from dist2_robot.claims.next_frame import moved_mass
from dist2_robot.cli.study import build_claim
from dist2_robot.config_dir import config_dir
from dist2_robot.tokenizers.picture_vq import PictureVQ
from tests.data.recordings import CAMERA, write_filmed

TINY = {"image_size": 16, "horizon": 3, "held_out": 0.5, "width": 8, "depth": 1, "attention_heads": 2, "batch_size": 4}
CODEC = {"codes": 8, "code_width": 2, "channels": 4, "steps": 12, "batch_size": 4, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    return write_filmed(tmp_path_factory.mktemp("filmed") / "data")


def claim(filmed):
    config = yaml.safe_load((config_dir() / "study" / "claim_frames.yaml").read_text())
    small = {"root": str(filmed), "camera": CAMERA, "codec": CODEC, "seeds": [0], "sizes": [2], "primary_size": 2}
    return build_claim({**config, **TINY, **small})


def test_every_trial_runs_and_one_gives_the_same_again(filmed, tmp_path, monkeypatch):
    monkeypatch.setattr("dist2_robot.claims.frames.NATS", 1.0)
    trials = [trial for trial in claim(filmed).trials if not trial.method.startswith("nats=")]  # too many for few codes
    for trial in trials:
        loss = trial.settings.get("loss", {})
        loss.update(_within(loss))
        found = try_frames(trial, tmp_path)
        assert all(value == value and abs(value) < float("inf") for value in found.values())
    assert found == try_frames(trials[-1], tmp_path)
    assert [path.name for path in (tmp_path / "codecs").iterdir()] == ["seed0.safetensors"]


def _within(loss):
    """Return what to change for an entropy that 8 codes can give."""
    return {"tau": {"name": "entropy", "nats": 1.0}} if "tau" in loss else {}


def test_smoothing_moves_as_much_mass_as_the_loss_that_it_is_matched_to():
    torch.manual_seed(0)
    codec = PictureVQ((8, 8), codes=32)
    codec.requires_grad_(False)
    loss = build_loss(codec, PAPER)
    share = moved_mass(loss, codec)
    target = loss.target(torch.arange(32)[:, None])[:, 0]
    best = (torch.eye(32) + 0.1 * target) / 1.1
    assert 1 - best.diagonal().mean() == pytest.approx(share, rel=1e-5)
    epsilon = share / (1 - 1 / 32)
    assert 1 - (1 - epsilon + epsilon / 32) == pytest.approx(share, rel=1e-5)
    assert set(METHODS) >= {"cross_entropy", "dist2_paper", "label_smoothing", "label_smoothing_mass", "random"}
