"""What the training loop trains: policies, and whatever else learns from batches of demonstrations."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol

from torch import Tensor, nn

from dist2_robot.actions.normalizer import Normalizer
from dist2_robot.actions.spec import ActionSpec
from dist2_robot.losses.output import LossOutput
from dist2_robot.types import Batch, ObservationSpec


class Eyes(Protocol):
    """What looks; a module. Attributes: observation: At what. normalizer: Scales its numbers."""

    observation: ObservationSpec
    normalizer: Normalizer


class Trunk(Protocol):
    """From an observation to features of the chunk; a module."""

    @property
    def encoder(self) -> Eyes:
        """Takes in what is seen and told."""
        ...

    @property
    def blocks(self) -> Iterable[nn.Module]:
        """What it computes one after the other, the bulk of its weights."""
        ...

    def compile(self) -> None:
        """Let torch compile it, at its next call."""


class Learner(nn.Module, ABC):
    """Predicts something of a batch, and is told by a loss how far off it is.

    Attributes:
        spec: What an action is.
        horizon: Steps of a chunk, T.
        trunk: Does the bulk of the work.
    """

    def __init__(self, spec: ActionSpec, horizon: int, trunk: Trunk) -> None:
        super().__init__()
        self.spec = spec
        self.horizon = horizon
        self.trunk = trunk

    @property
    def normalizer(self) -> Normalizer:
        """Scales what is observed; to be fitted on the training frames."""
        return self.trunk.encoder.normalizer

    @abstractmethod
    def loss(self, loss: nn.Module, batch: Batch) -> LossOutput:
        """Return how far it is from what was recorded, by a loss of its kind."""

    @abstractmethod
    def count(self, batch: Batch) -> Tensor:
        """Return how many numbers the loss of a batch is a mean of: those that there are to predict."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return plain values from which the same module is built anew, given the action spec."""
