"""Small checkpoints of a run."""

from pathlib import Path

import torch

from dist2_robot.checkpoints.golden import GOLDEN_FILE, golden_tensors
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.provenance import provenance
from dist2_robot.checkpoints.store import save_checkpoint
from dist2_robot.policies.policy import Policy
from dist2_robot.types import Observation
from tests.data.recordings import NAMES, SPEC
from tests.training.tiny import tiny_policy

PROVENANCE = provenance()
EXTRA = {"extra.safetensors": {"count": torch.tensor(7)}}


def observation(rows: int = 5) -> Observation:
    generator = torch.Generator().manual_seed(1)
    return Observation({name: torch.randn(rows, len(names), generator=generator) for name, names in NAMES.items()})


def manifest_of(policy: Policy, step: int) -> Manifest:
    return Manifest(
        policy=policy.config(),
        action_spec=SPEC.to_dict(),
        observation_names=NAMES,
        environments=[],
        tasks=[],
        dataset={"root": "somewhere"},
        step=step,
        provenance=PROVENANCE,
        golden_tasks=[],
    )


def save(run: Path, step: int, seed: int = 0) -> Path:
    """Save the policy of a seed as the checkpoint of a step, and return its folder."""
    policy = tiny_policy(seed).eval()
    folder = run / "checkpoints" / f"step_{step:07d}"
    golden = {GOLDEN_FILE: golden_tensors(policy, observation())}
    save_checkpoint(folder, manifest_of(policy, step), policy.state_dict(), EXTRA | golden)
    return folder
