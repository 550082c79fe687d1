"""A policy that trains in a blink."""

from collections.abc import Mapping
from typing import Any

import torch

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.policies.token_policy import TokenPolicy
from tests.data.recordings import NAMES, SPEC

CONFIG: dict[str, Any] = {
    "name": "token",
    "tokenizer": {"name": "uniform", "horizon": 3, "bins": 16},
    "head": {"name": "free"},
    "observation": {"numbers": {name: len(names) for name, names in NAMES.items()}},
    "width": 8,
    "depth": 1,
    "attention_heads": 2,
    "decoding": "local_mean",
}


def tiny_policy(seed: int = 0, spec: ActionSpec = SPEC, changes: Mapping[str, Any] | None = None) -> TokenPolicy:
    """Return a policy for the reaching data with the weights of a seed."""
    torch.manual_seed(seed)
    return build_policy(spec, CONFIG | dict(changes or {}))
