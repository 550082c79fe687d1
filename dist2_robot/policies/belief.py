"""What a policy believes of its next action: a distribution over each dimension's values.

B batch, L positions of a chunk, M action dimensions that move, V tokens.
"""

from dataclasses import dataclass

import numpy as np
import torch

from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.tokenizers.binned import BinnedTokenizer
from dist2_robot.types import Observation


@dataclass(frozen=True)
class Belief:
    """Attributes:
    values: (M, V), what each token of a dimension means, in its unit.
    probabilities: (M, V).
    """

    values: np.ndarray
    probabilities: np.ndarray


@torch.no_grad()
def next_action_belief(policy: Policy, observation: Observation) -> Belief | None:
    """Return what is believed of the first action of the chunk, for one observation (1, ...).

    None for policies whose distributions are not of one dimension each: those without tokens, those whose tokens mean
    something else than one number of one step, and autoregressive ones, which believe step by step.
    """
    is_plain = isinstance(policy, DiscretePolicy) and policy.generation == "parallel"
    if not is_plain or not isinstance(policy.tokenizer, BinnedTokenizer):
        return None
    dimensions = len(policy.spec.moving)
    probabilities = torch.softmax(policy(observation)[0, :dimensions], dim=-1)
    return Belief(policy.tokenizer.values()[:dimensions].cpu().numpy(), probabilities.cpu().numpy())
