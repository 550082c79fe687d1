"""Policy gradient on the distance: what DIST2Loss has in closed form, by sampling (Williams 1992).

Minimises ``E_p[d(v, x)] - tau * H(p) = tau * KL(p || p_d) + constant`` with p_d the target of DIST2Loss: the same
optimum for one truth, approached by the *reverse* divergence. L positions, S samples, V tokens.
"""

import torch
from torch import Tensor, nn

from dist2_robot.distances.table import DistanceTable
from dist2_robot.distances.target import temperatures
from dist2_robot.distances.temperature import Temperature
from dist2_robot.losses.output import LossOutput, log_probabilities, masked_mean

BASELINES = ("leave_one_out", "mean", "none")


class ReinforceLoss(nn.Module):
    """``mean over samples v ~ p of -log p(v) * advantage - tau * H(p)``, advantage = baseline - d(v, x).

    Its value says little; its gradient is an unbiased estimate of that of the objective above. The entropy is exact.
    Torch's global random numbers are used.

    Args:
        distances: How far apart tokens are: the reward is -d.
        tau: Weight of the entropy, in the unit of the distances.
        samples: S, tokens drawn at each position.
        baseline: ``leave_one_out``, the mean distance of the other samples; ``mean``, the exact expected distance;
            ``none``.
    """

    distance_table: Tensor
    taus: Tensor
    groups: Tensor

    def __init__(
        self,
        distances: DistanceTable,
        tau: float | Temperature = 2.0,
        samples: int = 8,
        baseline: str = "leave_one_out",
    ) -> None:
        super().__init__()
        if baseline not in BASELINES:
            raise ValueError(f"baseline must be one of {', '.join(BASELINES)}, got '{baseline}'")
        least = 2 if baseline == "leave_one_out" else 1
        if samples < least:
            raise ValueError(f"samples must be at least {least} with baseline={baseline}, got {samples}")
        self.samples, self.baseline = samples, baseline
        self.register_buffer("distance_table", distances.distances, persistent=False)  # (G, V, V)
        self.register_buffer("taus", temperatures(distances, tau).float(), persistent=False)  # (G,)
        self.register_buffer("groups", distances.groups, persistent=False)

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        log_p = log_probabilities(logits)
        groups = self.groups.expand_as(targets)
        p = log_p.detach().exp()
        drawn = torch.multinomial(p.flatten(0, -2), self.samples, replacement=True).view(*targets.shape, -1)
        cost = self.distance_table[groups[..., None], targets[..., None], drawn]  # (..., L, S)
        advantage = self._baseline(cost, p, groups, targets) - cost
        surrogate = -(log_p.gather(-1, drawn) * advantage).mean(-1)
        entropy = -(log_p.exp() * log_p).sum(-1)
        each = surrogate - self.taus[groups] * entropy
        if metric_tokens is not None:
            each = each.masked_fill(~metric_tokens, 0.0)
            cost = cost.masked_fill(~metric_tokens[..., None], 0.0)
        parts = {"distance": masked_mean(cost.mean(-1), padding_mask), "entropy": masked_mean(entropy, padding_mask)}
        return LossOutput(masked_mean(each, padding_mask), {name: part.detach() for name, part in parts.items()})

    def _baseline(self, cost: Tensor, p: Tensor, groups: Tensor, targets: Tensor) -> Tensor:
        """Return what each sampled distance (..., L, S) is compared with, knowing nothing of that sample."""
        if self.baseline == "leave_one_out":
            return (cost.sum(-1, keepdim=True) - cost) / (self.samples - 1)
        if self.baseline == "mean":
            return (p * self.distance_table[groups, targets]).sum(-1, keepdim=True)
        return torch.zeros_like(cost)
