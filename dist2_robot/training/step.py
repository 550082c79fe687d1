"""Policy, or what else learns, and loss as one module, which is what several processes share. B batch."""

from collections.abc import Mapping

from torch import Tensor, nn

from dist2_robot.policies.learner import Learner
from dist2_robot.types import Batch

TAKEN = ("kind", "step", "loss", "gradient_norm", "learning_rate", "samples_per_s", "skipped_steps")


class TrainingStep(nn.Module):
    """The forward half of a training step."""

    def __init__(self, policy: Learner, loss: nn.Module) -> None:
        super().__init__()
        self.policy, self.loss = policy, loss

    def forward(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss, a mean over what is no padding, and its parts.

        A part whose name the record of a training has for something else is ``part.<name>``.
        """
        output = self.policy.loss(self.loss, batch)
        return output.loss, {f"part.{name}" if name in TAKEN else name: x for name, x in output.parts.items()}
