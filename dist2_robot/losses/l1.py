"""Absolute error, for policies that predict numbers. B batch, T steps, A action dimensions."""

from torch import Tensor, nn

from dist2_robot.losses.output import LossOutput, masked_mean


class L1Loss(nn.Module):
    """The mean of ``|error|`` over steps that are not padding and over dimensions. Its best constant is the median."""

    for_regression = True

    def forward(self, error: Tensor, *, padding_mask: Tensor | None = None) -> LossOutput:
        """Args: error: (B, T, A), prediction less truth. padding_mask: (B, T), true where a step counts for nothing."""
        loss = masked_mean(error.abs().mean(-1), padding_mask)
        return LossOutput(loss, {"l1": loss.detach()})
