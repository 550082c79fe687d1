"""A few observations with what the policy does about them, so that others can check that it still does."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dist2_robot.policies.policy import Policy
from dist2_robot.types import ActionChunk, Observation, Prefix

GOLDEN_FILE = "golden.safetensors"
PREFIX_ACTIONS, PREFIX_STEPS = "prefix.actions", "prefix.steps"


def golden_tensors(policy: Policy, observation: Observation) -> dict[str, Tensor]:
    """Return what is seen, by feature, and ``tokens``, or the ``actions`` of a policy without tokens.

    What is committed, if anything, is in ``prefix.actions`` and ``prefix.steps``.
    """
    chunk, prefix = _act(policy, observation), observation.prefix
    answer = {"actions": chunk.actions} if chunk.tokens is None else {"tokens": chunk.tokens}
    if prefix is not None:
        answer |= {PREFIX_ACTIONS: prefix.actions.clone(), PREFIX_STEPS: prefix.steps}
    return {**{name: observation.features[name] for name in policy.observation.names}, **answer}


def check_golden(policy: Policy, golden: Mapping[str, Tensor], tasks: Sequence[str]) -> int:
    """Return how many of the tokens (or of the actions, to a relative 1e-4) the policy gives differently now."""
    seen = {name: golden[name] for name in policy.observation.names}
    prefix = Prefix(golden[PREFIX_ACTIONS], golden[PREFIX_STEPS]) if PREFIX_STEPS in golden else None
    chunk = _act(policy, Observation(seen, tuple(tasks) or None, prefix).to(next(policy.parameters()).device))
    if chunk.tokens is None:
        return int((~torch.isclose(chunk.actions.cpu(), golden["actions"], rtol=1e-4, atol=1e-6)).sum())
    return int((chunk.tokens.cpu() != golden["tokens"]).sum())


def _act(policy: Policy, observation: Observation) -> ActionChunk:
    """Let the policy act with the same draws every time, and leave those of others alone."""
    device = next(policy.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        return policy.act(observation)
