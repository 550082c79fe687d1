"""Squared earth mover's distance of ordered tokens (Hou, Yu and Samaras 2016, arXiv 1611.05916).

L positions, G groups of positions, V tokens.
"""

import torch
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.output import LossOutput, log_probabilities, masked_mean


class EMDLoss(nn.Module):
    """``sum over v of w_v (P(v) - T(v))^2``, P and T the cumulative distributions of prediction and truth.

    Plain, every w is 1, as published (with exponent 2). Weighted by ``spacing``, w_v is the distance between the values
    of tokens v and v + 1 in tolerances; it then is the energy score with absolute distances. Where values wrap, mass may
    go either way round: the flow over one more edge, between the last token and the first, is free, and the best is to
    take the (weighted) mean of ``P - T`` off it. That form is no energy score.

    Args:
        points: Of ordered tokens.
        spacing: Whether a step of the cumulative distribution counts by its length.
    """

    steps: Tensor
    groups: Tensor
    wraps: Tensor

    def __init__(self, points: TokenPoints, spacing: bool = False) -> None:
        super().__init__()
        if points.edges is None:
            raise ValueError("emd needs tokens that are ordered: use loss=energy or loss=dist2")
        valid = torch.ones(points.points.shape[:2], dtype=torch.bool) if points.valid is None else points.valid
        wraps = torch.zeros(len(valid), dtype=torch.bool) if points.periods is None else points.periods.isfinite()
        steps = torch.stack([_steps(*group) for group in zip(points.points[..., 0], valid, wraps, strict=True)])
        if spacing and points.periods is not None:
            pass
        self.register_buffer("steps", steps, persistent=False)  # (G, V)
        self.register_buffer("groups", points.groups, persistent=False)
        self.register_buffer("wraps", wraps, persistent=False)  # (G,)
