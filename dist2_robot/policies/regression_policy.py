"""The rival without tokens: one number per action.

B batch, T steps of a chunk, A action dimensions, M of them move, D width.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.actions.constants import MovingColumns
from dist2_robot.actions.spec import ActionSpec
from dist2_robot.distances.difference import difference
from dist2_robot.finite import all_finite, mark_unless_finite
from dist2_robot.losses.output import LossOutput
from dist2_robot.models.chunk_mlp import ChunkMLP
from dist2_robot.models.chunk_transformer import ChunkTransformer
from dist2_robot.models.observation_encoder import ObservationEncoder
from dist2_robot.models.prefix_encoder import PrefixEncoder
from dist2_robot.policies.policy import Policy
from dist2_robot.types import ActionChunk, Batch, Observation

BODIES = ("transformer", "mlp")


class RegressionPolicy(Policy):
    """The same transformer as the token policy with one query a step, and a linear layer to M numbers in [-1, 1].

    Action columns that never moved in the recordings are not predicted, and sent as they were.

    Args:
        spec: What an action is; its limits span [-1, 1].
        horizon: T.
        encoder: Makes tokens of what is seen and told, of width D.
        width: D.
        depth: Transformer blocks, or layers of the perceptron.
        attention_heads: Heads of each block; nothing to a perceptron.
        body: ``transformer``, or ``mlp`` for a plain perceptron of all that is seen.
        max_prefix: How many committed steps of a chunk it can be given; none to a perceptron.
    """

    trunk: ChunkTransformer | ChunkMLP
    low: Tensor
    high: Tensor

    def __init__(
        self,
        spec: ActionSpec,
        encoder: ObservationEncoder,
        *,
        horizon: int,
        width: int,
        depth: int,
        attention_heads: int,
        body: str = "transformer",
        max_prefix: int = 0,
    ) -> None:
        if body not in BODIES:
            raise ValueError(f"body must be one of {', '.join(BODIES)}, got {body!r}")
        if body == "mlp" and max_prefix:
            raise ValueError("a perceptron cannot be told what is committed: policy.max_prefix must be 0")
        prefix = PrefixEncoder(spec, width, max_prefix) if max_prefix > 0 else None
        trunk = (
            ChunkMLP(encoder, horizon, width=width, depth=depth)
            if body == "mlp"
            else ChunkTransformer(
                encoder, horizon, width=width, depth=depth, attention_heads=attention_heads, prefix=prefix
            )
        )
        super().__init__(spec, horizon, trunk, max_prefix)
        self.sizes = {"width": width, "depth": depth, "attention_heads": attention_heads, "body": body}
        self.columns = MovingColumns(spec)
        moving = self.columns.spec.dimensions
        self.linear = nn.Linear(width, len(moving))
        self.register_buffer("low", torch.tensor([d.low for d in moving]))
        self.register_buffer("high", torch.tensor([d.high for d in moving]))

    def check_loaded(self) -> None:
        dimensions = self.columns.spec.dimensions
        for limit, values in (("low", [d.low for d in dimensions]), ("high", [d.high for d in dimensions])):
            if not torch.equal(getattr(self, limit).cpu(), torch.tensor(values)):
                raise ValueError(f"'{limit}' of the policy is not that of its action spec")

    def config(self) -> dict[str, Any]:
        """Return plain values from which the registry builds this policy anew, given the action spec."""
        return {
            "name": "regression",
            "horizon": self.horizon,
            **self.trunk.encoder.config(),
            **self.sizes,
            "max_prefix": self.max_prefix,
        }

    def forward(self, observation: Observation) -> Tensor:
        """Return the actions that move, (B, T, M), on the scale where the limits are -1 and 1."""
        return self.linear(self.trunk(observation))

    def loss(self, loss: nn.Module, batch: Batch) -> LossOutput:
        """Return the loss of the errors on the scale where the limits are -1 and 1, the short way round."""
        truth = 2 * (self.columns.take(batch.actions) - self.low) / (self.high - self.low) - 1
        error = self(batch.observation) - truth
        wraps = [d.wraps for d in self.columns.spec.dimensions]
        if any(wraps):
            error = torch.where(torch.tensor(wraps, device=error.device), difference(error, 0 * error, 2.0), error)
        return loss(error, padding_mask=batch.is_given)

    @torch.no_grad()
    def act(self, observation: Observation) -> ActionChunk:
        """Return the next chunk, within the limits; angles that wrap are brought back between them."""
        self._check_prefix(observation)
        predicted = scaled = self(observation)
        if not all_finite(scaled):
            raise ValueError("the policy gave actions that are not finite")
        wraps = torch.tensor([d.wraps for d in self.columns.spec.dimensions], device=scaled.device)
        turned = torch.remainder(scaled + 1, 2)
        turned = torch.where(turned < 2, turned, 0.0) - 1  # a hair below the lower end is rounded up
        scaled = torch.where(wraps, turned, scaled.clamp(-1, 1))
        actions = self.low + (scaled + 1) / 2 * (self.high - self.low)
        actions = self.columns.put_back(mark_unless_finite(actions, predicted[..., None]))
        return ActionChunk(actions if observation.prefix is None else observation.prefix.put_into(actions))
