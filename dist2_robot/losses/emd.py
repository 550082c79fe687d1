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
    of tokens v and v + 1 in tolerances; it then is the energy score with absolute distances. Where values wrap, mass
    may go either way round: there is one more step, from the last token to the first, and a flow round the whole circle
    is free; taking it to be the (weighted) mean of ``P - T`` makes the sum smallest. That form is no energy score.

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
        self.register_buffer("steps", steps_between(points, spacing).float(), persistent=False)  # (G, V)
        self.register_buffer("groups", points.groups, persistent=False)
        wraps = torch.zeros(len(self.steps), dtype=torch.bool) if points.periods is None else points.periods.isfinite()
        self.register_buffer("wraps", wraps, persistent=False)  # (G,)

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        each = self.each(logits, targets)
        if metric_tokens is not None:
            each = each.masked_fill(~metric_tokens, 0.0)
        loss = masked_mean(each, padding_mask)
        return LossOutput(loss, {"emd": loss.detach()})

    def each(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the distance of every position, (..., L), given logits (..., L, V) and true tokens (..., L)."""
        cumulative = log_probabilities(logits).exp().cumsum(-1)
        tokens = torch.arange(logits.shape[-1], device=logits.device)
        flow = cumulative - (tokens >= targets[..., None]).to(cumulative.dtype)
        groups = self.groups.expand_as(targets)
        steps = self.steps[groups].to(flow.dtype)
        if self.wraps.any():
            around = (steps * flow).sum(-1, keepdim=True) / steps.sum(-1, keepdim=True)
            flow = flow - around * self.wraps[groups][..., None]
        return (steps * flow.square()).sum(-1)


def steps_between(points: TokenPoints, spacing: bool) -> Tensor:
    """Return the length of the step from each token to the next, (G, V); a last one leads round where values wrap.

    Tokens that are not there are passed over. Without ``spacing`` every step has length 1.
    """
    values = points.points[..., 0]
    valid = torch.ones_like(values, dtype=torch.bool) if points.valid is None else points.valid
    reached = torch.where(valid, values, -torch.inf).cummax(1).values  # the last value up to here
    first = torch.where(valid, values, torch.inf).amin(1)
    is_step = valid[:, 1:] & reached[:, :-1].isfinite()
    lengths = torch.where(is_step, reached.diff(dim=1) if spacing else 1.0, 0.0)
    periods = torch.full_like(first, torch.inf) if points.periods is None else points.periods
    back = periods - (reached[:, -1] - first) if spacing else torch.ones_like(first)
    back = torch.where(periods.isfinite(), back, 0.0)
    return torch.cat([lengths, back[:, None]], dim=1)
