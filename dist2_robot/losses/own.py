"""For policies that bring their own loss."""

from torch import Tensor, nn

from dist2_robot.losses.output import LossOutput


class OwnLoss(nn.Module):
    """Stands where a loss is asked for; a policy with its own never calls it."""

    for_regression = True

    def forward(self, error: Tensor, *, padding_mask: Tensor | None = None) -> LossOutput:
        """Raise ValueError: this policy has no loss of its own."""
        raise ValueError("loss=own is for policies that bring their own loss, e.g. policy=act")
