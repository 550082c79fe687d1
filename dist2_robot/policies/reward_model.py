"""A policy whose action is a rating, as what it is: a model of how far a task got. B batch, S stages."""

from pathlib import Path

import torch
from torch import Tensor

from dist2_robot.actions.rating import SCORE
from dist2_robot.errors import InputError
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.types import Observation


class RewardModel:
    """Rates moments by the expected score.

    Args:
        policy: In evaluation mode; it stays as it is. Here it is decoded by the mean, for a score is a number and not
            one of two ways.
        name: What messages call it, its checkpoint.

    Raises:
        InputError: Its actions are no ratings.
    """

    def __init__(self, policy: Policy, name: Path | str) -> None:
        if policy.spec.names[0] != SCORE:
            raise InputError(
                f"'{name}' is no reward model, it acts on {list(policy.spec.names)}: train policy=reward_model"
            )
        if isinstance(policy, DiscretePolicy):
            policy = policy.with_decoding("mean")
        self.policy, self.name = policy, name

    @property
    def stages(self) -> tuple[str, ...]:
        """What is rated besides the score."""
        return self.policy.spec.names[1:]

    @torch.no_grad()
    def rate(self, observation: Observation) -> Tensor:
        """Return score and stages, (B, 1 + S), in points of 20 and of 4."""
        return self.policy.act(observation).actions[:, 0]
