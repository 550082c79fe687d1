"""The policy that a config describes, fitted to data and not yet trained."""

from collections.abc import Mapping
from typing import Any

from dist2_robot.cli.dataset import TrainingData
from dist2_robot.policies.policy import Policy
from dist2_robot.training.fresh_policy import fresh_policy


def new_policy(config: Mapping[str, Any], data: TrainingData) -> Policy:
    """Build the policy of a config and fit it to the training frames."""
    return fresh_policy(config, data.spec, data.observation, data.training, data.name)
