"""A few observations with the tokens that the policy gives for them, so that others can check that it still does."""

from typing import Any

import torch

from dist2_robot.policies.token_policy import TokenPolicy
from dist2_robot.types import Observation


def golden_pairs(policy: TokenPolicy, observation: Observation) -> list[dict[str, Any]]:
    """Return one plain entry for each row of the observation."""
    tokens = policy.act(observation).tokens
    assert tokens is not None
    return [
        {"observation": {k: x[i].tolist() for k, x in observation.features.items()}, "tokens": tokens[i].tolist()}
        for i in range(observation.batch_size)
    ]


def check_golden(policy: TokenPolicy, pairs: list[dict[str, Any]]) -> int:
    """Return how many of the tokens in golden pairs the policy gives differently now."""
    features = {k: torch.tensor([pair["observation"][k] for pair in pairs]) for k in policy.observation_sizes}
    device = next(policy.parameters()).device
    tokens = policy.act(Observation(features).to(device)).tokens
    assert tokens is not None
    return int((tokens.cpu() != torch.tensor([pair["tokens"] for pair in pairs])).sum())
