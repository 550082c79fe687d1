"""Numerical Token Integrity Loss: digits by their place, and the number that they write (Fei et al., ACL 2025).

As we understand it from its description and the settings its authors publish; ours differs in one thing: the expected
number stands where they pass gradients straight through the most probable one. L positions, V tokens.
"""

import torch
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.output import (
    LossOutput,
    check_weights,
    log_probabilities,
    mean_cross_entropy,
    with_cross_entropy,
)
from dist2_robot.losses.places import places


class NTILoss(nn.Module):
    """``CE + weight * (EMD * growth^place + relative_weight * R + magnitude_weight * M)``.

    Token v counts as the digit v; place is 0 for the last digit of a number, and the earth mover's distance to the true
    digit x is ``EMD = sum_v p(v) |v - x|``. With the number ``N = sum of digit * base^place`` and its expectation N',
    ``R = |N' - N| / (max(N', N) + 1)`` and ``M = |log((N' + 1) / (N + 1))|``. With ``digits=1`` the token is the
    number. Numbers are counted from the lowest token, and do not know that values wrap.

    Args:
        points: Of ordered tokens; ``digits`` says how many positions write a number.
        weight: Of all that is added to cross-entropy.
        growth: By how much each place counts more than the next.
        relative_weight: Of R.
        magnitude_weight: Of M.
        rescale: Whether what is added is first brought to the size that cross-entropy has at this step, as published.
            The value then is ``(1 + weight) * CE``; the parts tell what it is made of.
    """

    base: Tensor
    groups: Tensor

    def __init__(
        self,
        points: TokenPoints,
        weight: float = 0.3,
        growth: float = 1.2,
        relative_weight: float = 0.2,
        magnitude_weight: float = 0.2,
        rescale: bool = True,
    ) -> None:
        super().__init__()
        if points.edges is None:
            raise ValueError("ntil needs tokens that are ordered: use loss=energy or loss=dist2")
        if not 0 < growth < torch.inf:
            raise ValueError(f"growth must be positive, got {growth}")
        check_weights(emd=1.0, weight=weight, relative_weight=relative_weight, magnitude_weight=magnitude_weight)
        self.weight, self.growth, self.digits, self.rescale = weight, growth, points.digits, rescale
        self.relative_weight, self.magnitude_weight = relative_weight, magnitude_weight
        valid = torch.ones(points.points.shape[:2]) if points.valid is None else points.valid
        self.register_buffer("base", valid.sum(1).float(), persistent=False)  # (G,)
        self.register_buffer("groups", points.groups, persistent=False)

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        p = log_probabilities(logits).exp()
        tokens = torch.arange(logits.shape[-1], device=logits.device, dtype=p.dtype)
        place = places(targets.shape[-1], self.digits, logits.device)  # (L,)
        emd = (p * (tokens - targets[..., None]).abs()).sum(-1) * self.growth**place
        worth = self.base.to(p.dtype)[self.groups.expand_as(targets)] ** place  # (..., L)
        number, expected = self._number(targets * worth), self._number((p * tokens).sum(-1) * worth)
        relative = (expected - number).abs() / (torch.maximum(expected, number) + 1)
        magnitude = ((expected + 1) / (number + 1)).log().abs()
        output = with_cross_entropy(
            logits,
            targets,
            padding_mask,
            metric_tokens,
            ce_weight=0.0,
            emd=(1.0, emd),
            relative=(self.relative_weight, relative),
            magnitude=(self.magnitude_weight, magnitude),
        )
        added = self.weight * output.loss
        cross_entropy = mean_cross_entropy(logits, targets, padding_mask)
        if self.rescale:
            added = added * cross_entropy.detach() / output.loss.detach().clamp(min=1e-10)
        return LossOutput(cross_entropy + added, {"cross_entropy": cross_entropy.detach(), **output.parts})

    def _number(self, parts: Tensor) -> Tensor:
        """Add up what the digits of each number are worth, (..., L), and give each digit the sum."""
        return parts.unflatten(-1, (-1, self.digits)).sum(-1).repeat_interleave(self.digits, dim=-1)
