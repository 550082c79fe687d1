"""What LeRobot's policies have in common behind our contract.

B batch, T steps of a chunk, A action dimensions, M of them move.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.pretrained import PreTrainedPolicy
from torch import Tensor, nn

from dist2_robot.actions.constants import MovingColumns
from dist2_robot.actions.spec import ActionSpec
from dist2_robot.lerobot.baselines.action_scale import ActionScale
from dist2_robot.lerobot.baselines.inputs import Inputs
from dist2_robot.losses.output import LossOutput
from dist2_robot.policies.policy import Policy
from dist2_robot.types import ACTION, ActionChunk, Batch, Observation


class Body(nn.Module):
    """Inputs and network, where our policies have an encoder and a transformer.

    Args:
        encoder: What is seen, for the network.
        network: Of LeRobot.
        core: The part of it that holds the bulk of its weights.
    """

    network: Any  # a `PreTrainedPolicy`, each with parts of its own

    def __init__(self, encoder: Inputs, network: PreTrainedPolicy, core: nn.Module) -> None:
        super().__init__()
        self.encoder, self.network = encoder, network
        self._core = (core,)  # in a tuple, for it is part of the network already

    @property
    def blocks(self) -> Iterable[nn.Module]:
        """What it computes one after the other, the bulk of its weights."""
        return self._core

    def compile(self) -> None:
        """Let torch compile the bulk, at its next call."""
        self._core[0].compile()


class BaselinePolicy(Policy):
    """A policy of LeRobot, unchanged, that trains on its own loss in our loop.

    It learns the action columns that move; those that never did are sent as they were recorded.

    Args:
        spec: What an action is.
        horizon: T.
        body: Inputs and network.
        scale: How actions are scaled, as LeRobot does for this policy: ``mean_std`` or ``min_max``.
        settings: All other arguments, for `config`.
    """

    name: str
    trunk: Body
    low: Tensor
    high: Tensor

    def __init__(self, spec: ActionSpec, horizon: int, body: Body, scale: str, settings: Mapping[str, Any]) -> None:
        super().__init__(spec, horizon, body)
        self.settings = dict(settings)
        self.columns = MovingColumns(spec)
        moving = self.columns.spec.dimensions
        self.scale = ActionScale(len(moving), scale)
        self.register_buffer("low", torch.tensor([d.low for d in moving]))
        self.register_buffer("high", torch.tensor([d.high for d in moving]))

    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds this policy anew, given the action spec."""
        observation = self.observation.to_dict()
        return {"name": self.name, "observation": observation, "horizon": self.horizon, **self.settings}

    def fit_actions(self, actions: Tensor, is_padding: Tensor) -> None:
        """Take the scale of actions from the training chunks (N, T, A)."""
        self.scale.fit(self.columns.take(actions)[~is_padding])

    def loss(self, loss: nn.Module, batch: Batch) -> LossOutput:
        """Return the network's own loss, of actions on its scale; `loss` is not asked."""
        actions = {ACTION: self.scale(self.columns.take(batch.actions)), "action_is_pad": batch.is_padding}
        value, parts = self.trunk.network(self.inputs(batch.observation) | actions)
        found = {name: torch.as_tensor(part, device=value.device).detach() for name, part in (parts or {}).items()}
        return LossOutput(value, found)

    @torch.no_grad()
    def act(self, observation: Observation) -> ActionChunk:
        """Return the next chunk, within the limits; angles that wrap are brought back between them."""
        scaled = self.predict(self.inputs(observation))
        if not torch.isfinite(scaled).all():
            raise ValueError("the policy gave actions that are not finite")
        actions = self.scale.undo(scaled)
        wraps = torch.tensor([d.wraps for d in self.columns.spec.dimensions], device=actions.device)
        inside = self.low + torch.remainder(actions - self.low, self.high - self.low)
        return ActionChunk(self.columns.put_back(torch.where(wraps, inside, actions.clamp(self.low, self.high))))

    def inputs(self, observation: Observation) -> dict[str, Tensor]:
        """Return what the network is given to see."""
        return dict(self.trunk.encoder(observation))

    @abstractmethod
    def predict(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return the actions that move, (B, T, M), on the scale of the network."""


def action_feature(spec: ActionSpec) -> dict[str, PolicyFeature]:
    """Return what LeRobot's config calls ``output_features``: the actions that move."""
    return {ACTION: PolicyFeature(FeatureType.ACTION, (len(spec.moving),))}
