"""What we record is a LeRobot dataset to others: to LeRobot itself, and to the linters of its community."""

import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
import torch

from dist2_robot.data.folder import open_folder
from dist2_robot.data.table import read_table

pytestmark = pytest.mark.slow
SCRIPTS = Path(sysconfig.get_path("scripts"))


def run(*command: str | Path, cwd: Path, codes: tuple[int, ...] = (0,)) -> str:
    """Run an installed command without network and return what it prints."""
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(cwd / "hf"),
        "WANDB_MODE": "disabled",
        "COLUMNS": "200",
    }
    name, *arguments = command
    result = subprocess.run(
        [SCRIPTS / name, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )
    assert result.returncode in codes, result.stdout[-2000:] + result.stderr[-2000:]
    return result.stdout


@pytest.fixture(scope="module")
def push(tmp_path_factory) -> Path:
    """Three episodes of Meta-World, recorded by our own command."""
    pytest.importorskip("metaworld")
    folder = tmp_path_factory.mktemp("recorded")
    out = run("dist2-collect", "task=push-v3", "episodes=3", "workers=1", "dataset.root=push", cwd=folder)
    assert re.search(r"3 episodes of \d+ tried, \d+ frames: push", out)
    return folder / "push"


def test_lerobot_opens_it(push):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    theirs = LeRobotDataset("local/push", root=push, delta_timestamps={"action": [0.0, 1 / 80]})
    ours = read_table(open_folder(push))
    assert theirs.num_episodes == ours.episodes == 3
    assert theirs.meta.robot_type == "gym_dist2/MetaWorld-v0"
    for frame in (0, 70, len(theirs) - 1):
        item = theirs[frame]
        assert item["task"] == "Push the puck to the goal."
        assert torch.equal(item["action"][0], ours.features["action"][frame])
        assert torch.equal(item["observation.environment_state"], ours.features["observation.environment_state"][frame])


def test_lerobot_trains_act_on_it(push, tmp_path):
    settings = {
        "dataset.repo_id": "local/push",
        "dataset.root": push,
        "policy.type": "act",
        "policy.device": "cpu",
        "policy.push_to_hub": "false",
        "policy.chunk_size": 4,
        "policy.n_action_steps": 4,
        "policy.dim_model": 16,
        "policy.n_heads": 2,
        "policy.dim_feedforward": 16,
        "policy.n_encoder_layers": 1,
        "policy.n_vae_encoder_layers": 1,
        "policy.latent_dim": 4,
        "output_dir": tmp_path / "act",
        "steps": 4,
        "batch_size": 4,
        "num_workers": 0,
        "log_freq": 1,
        "save_freq": 4,
        "wandb.enable": "false",
    }
    run("lerobot-train", *(f"--{name}={value}" for name, value in settings.items()), cwd=tmp_path)
    assert (tmp_path / "act/checkpoints/000004/pretrained_model/model.safetensors").exists()


def test_the_doctor_finds_nothing_broken(push, tmp_path):
    report = json.loads(run("lerobot-doctor", "check", push, "--json", cwd=tmp_path))
    severity = {check["name"]: check["severity"] for check in report["checks"]}
    assert "FAIL" not in severity.values()
    for sound in (
        "Metadata & Format Compliance",
        "Temporal Consistency",
        "Video Integrity",
        "Feature Consistency",
        "Portability",
    ):
        assert severity[sound] == "PASS"


def test_the_linter_finds_no_error(push, tmp_path):
    run("lelint", "check", push, "--json", tmp_path / "lint.json", cwd=tmp_path, codes=(0, 1))  # 1: warnings only
    report = json.loads((tmp_path / "lint.json").read_text())
    assert report["summary"]["errors"] == 0
    warnings = {finding["check"] for finding in report["findings"] if finding["severity"] == "warning"}
    # It takes our differences for absolute targets, and 68 frames at 80 Hz for an accident.
    assert warnings <= {"ACTION_STATE_DIVERGENCE", "SHORT_EPISODE"}
