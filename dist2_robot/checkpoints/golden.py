"""A few observations with what the policy does about them, so that others can check that it still does."""

from typing import Any

import torch

from dist2_robot.policies.policy import Policy
from dist2_robot.types import Observation


def golden_pairs(policy: Policy, observation: Observation) -> list[dict[str, Any]]:
    """Return one plain entry for each row of the observation: tokens, or the actions of a policy without tokens."""
    chunk = policy.act(observation)
    what, given = ("actions", chunk.actions) if chunk.tokens is None else ("tokens", chunk.tokens)
    return [
        {"observation": {k: x[i].tolist() for k, x in observation.features.items()}, what: given[i].tolist()}
        for i in range(observation.batch_size)
    ]


def check_golden(policy: Policy, pairs: list[dict[str, Any]]) -> int:
    """Return how many of the tokens (or of the actions, to a relative 1e-4) the policy gives differently now."""
    features = {k: torch.tensor([pair["observation"][k] for pair in pairs]) for k in policy.observation_sizes}
    device = next(policy.parameters()).device
    chunk = policy.act(Observation(features).to(device))
    if chunk.tokens is None:
        expected = torch.tensor([pair["actions"] for pair in pairs])
        return int((~torch.isclose(chunk.actions.cpu(), expected, rtol=1e-4, atol=1e-6)).sum())
    return int((chunk.tokens.cpu() != torch.tensor([pair["tokens"] for pair in pairs])).sum())
