"""Small checkpoints to export."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dist2_robot.actions.constants import MovingColumns
from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.golden import GOLDEN_FILE, golden_tensors
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.registry import build_policy, build_tokenizer
from dist2_robot.checkpoints.store import save_checkpoint
from dist2_robot.deploy.forms.export import random_observation
from dist2_robot.policies.policy import Policy
from dist2_robot.types import ENVIRONMENT_STATE, STATE

HORIZON = 4
NUMBERS = {STATE: 3, ENVIRONMENT_STATE: 2}
FRONT = "observation.images.front"
SPEC = ActionSpec(
    (
        ActionDimension("lift", "joint", "rad", -1.0, 1.0),
        ActionDimension("turn", "joint", "rad", -3.14, 3.14, wraps=True),
        ActionDimension("gripper", "gripper", "%", 0.0, 100.0),
    ),
    "absolute",
    20.0,
    "robot",
)
STILL = replace(  # with two columns that never move
    SPEC,
    dimensions=(
        ActionDimension("finger", "joint", "rad", -1.0, 1.0, constant=0.1),
        *SPEC.dimensions[:2],
        ActionDimension("thumb", "gripper", "%", 0.0, 100.0, constant=41.3),
        SPEC.dimensions[2],
    ),
)
TOKENIZERS: dict[str, dict[str, Any]] = {
    "uniform": {"bins": 16},
    "quantile": {"bins": 16},
    "mu_law": {"bins": 16},
    "gaussian": {"bins": 16},
    "per_dimension": {"bins": [16, 12, 4]},
    "digits": {"digits": 2},
    "dct": {"bins": 16},
    "bspline": {"bins": 16},
    "fsq": {"levels": [4, 4]},
    "residual_vq": {"codes": 8, "stages": 2},
    "fast": {"vocab_size": 64, "step": 20.0},
}
POLICY = {
    "name": "token",
    "head": {"name": "free"},
    "observation": {"numbers": NUMBERS},
    "width": 8,
    "depth": 1,
    "attention_heads": 2,
    "decoding": "argmax",
}


def small_policy(tokenizer: str = "uniform", spec: ActionSpec = SPEC, **changes: Any) -> Policy:
    """Return a policy whose tokenizer and normaliser are fitted, and whose weights are not small."""
    torch.manual_seed(0)
    motions = torch.rand(64, HORIZON, 3).cumsum(1) * 0.2 - 0.4
    motions[..., 2] = 100.0 * (motions[..., 2] > 0)
    config = {"name": tokenizer, "horizon": HORIZON, **TOKENIZERS[tokenizer]}
    cut = build_tokenizer(spec, config)
    cut.fit(MovingColumns(spec).put_back(motions))
    return _settled(build_policy(spec, POLICY | changes | {"tokenizer": config}, cut.state_dict()))


def regression_policy(spec: ActionSpec = SPEC) -> Policy:
    """Return a policy without tokens."""
    torch.manual_seed(0)
    sizes = {"horizon": HORIZON, "width": 8, "depth": 1, "attention_heads": 2}
    return _settled(build_policy(spec, {"name": "regression", "observation": {"numbers": NUMBERS}, **sizes}))


def _settled(policy: Policy) -> Policy:
    for parameter in policy.parameters():  # so that the observation counts
        parameter.data.mul_(2.0)
    policy.normalizer.fit({name: 3 + 2 * torch.randn(32, size) for name, size in NUMBERS.items()})
    return policy.eval()


def save(folder: Path, policy: Policy, golden: Mapping[str, torch.Tensor] | None = None) -> Path:
    """Save a policy as a checkpoint, with golden observations unless some are given."""
    seen = random_observation(policy, 4, seed=1)
    manifest = Manifest(
        policy=policy.config(),
        action_spec=policy.spec.to_dict(),
        observation_names={name: [str(i) for i in range(size)] for name, size in NUMBERS.items()},
        environments=[],
        tasks=list(policy.observation.tasks),
        dataset={},
        step=1,
        provenance={},
        golden_tasks=list(seen.tasks or ()),
    )
    save_checkpoint(folder, manifest, policy.state_dict(), {GOLDEN_FILE: golden or golden_tensors(policy, seen)})
    return folder
