"""The contract of a policy. B batch, T steps of a chunk, A action dimensions."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.losses.output import LossOutput
from dist2_robot.models.prefix_encoder import check_prefix
from dist2_robot.policies.learner import Learner, Trunk
from dist2_robot.types import ActionChunk, Batch, Observation, ObservationSpec


class Policy(Learner):
    """Looks at an observation and chooses the next chunk of actions.

    Attributes:
        spec: What an action is.
        horizon: Steps of a chunk, T.
        trunk: From an observation to features of the chunk.
        max_prefix: How many first steps of a chunk it can be told that are decided already, P; 0 for none.
    """

    def __init__(self, spec: ActionSpec, horizon: int, trunk: Trunk, max_prefix: int = 0) -> None:
        super().__init__(spec, horizon, trunk)
        if not 0 <= max_prefix < horizon:
            raise ValueError(f"max_prefix must lie in 0..{horizon - 1}, for a step to be left to predict: {max_prefix}")
        self.max_prefix = max_prefix

    @property
    def observation(self) -> ObservationSpec:
        """What the policy looks at."""
        return self.trunk.encoder.observation

    @abstractmethod
    def loss(self, loss: nn.Module, batch: Batch) -> LossOutput:
        """Return how far the policy is from what a demonstrator did, by a loss of its kind."""

    def count(self, batch: Batch) -> Tensor:
        """Return how many numbers the loss of a batch is a mean of: those that there are to predict."""
        return (~batch.is_given).sum() * len(self.spec.moving)

    def fit_actions(self, actions: Tensor, is_padding: Tensor) -> None:
        """Learn what is fixed before the training, from its chunks (N, T, A). By default nothing is."""

    @abstractmethod
    def act(self, observation: Observation) -> ActionChunk:
        """Return the next chunk of actions. What the observation says is decided comes back as it is.

        Raises:
            ValueError: An input or an output is not finite, or more is decided than the policy can be told.
        """

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds this policy anew, given the action spec."""

    def check_loaded(self) -> None:
        """Look at weights that were loaded. Raises ValueError where they contradict the action spec."""

    def _check_prefix(self, observation: Observation) -> None:
        if observation.prefix is not None and not torch.compiler.is_exporting():
            check_prefix(observation.prefix, observation.batch_size, len(self.spec), self.max_prefix)

    def reset(self) -> None:
        """Forget the episode. By default nothing is remembered."""
