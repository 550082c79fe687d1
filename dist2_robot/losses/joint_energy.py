"""The joint energy score: a few hypotheses of a whole chunk, judged together.

With hypotheses m_k of weight w_k and the truth y, ``J = sum_k w_k d(m_k, y) - sum_{j<k} w_j w_k d(m_j, m_k)``: the
energy score (Gneiting and Raftery 2007, section 4.3) of the distribution that has K points. d is how far two chunks
are apart: the mean over steps of the root mean square over dimensions, in tolerances. For one hypothesis it is plain
regression. With more the score is least in expectation where weights and points are those of the demonstrations, so
that two right chunks become two hypotheses and not one between them.

B batch, T rows (steps) of A positions each, L = T A, K hypotheses.
"""

import torch
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.output import LossOutput
from dist2_robot.losses.token_values import TokenValues
from dist2_robot.types import Prediction


class JointEnergyLoss(nn.Module):
    """Mean joint energy score of the modes that a head predicts, in tolerances.

    A chunk counts by how many of its rows there are to predict, so that the loss of a batch is a mean over these.

    Args:
        points: Of ordered tokens. What belongs together, as the dimensions of a step, is their ``row``.
    """

    judges_modes = True
    unit: Tensor

    def __init__(self, points: TokenPoints) -> None:
        super().__init__()
        self.tokens = TokenValues(points, "joint_energy")
        self.row = points.row
        self.register_buffer("unit", points.axis()[1].float(), persistent=False)  # (G,), in tolerances

    def forward(
        self,
        prediction: Prediction,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        modes = prediction.modes
        assert modes is not None, "see judge"
        groups = self.tokens.groups.expand(targets.shape[-1])
        means = modes.means * self.unit[groups][:, None]  # (B, L, K), in tolerances from the middle
        truth = self.tokens.truth(targets, target_values)[..., None]  # (B, L, 1)
        counts = torch.ones_like(targets, dtype=means.dtype)
        for mask in (None if padding_mask is None else ~padding_mask, metric_tokens):
            counts = counts if mask is None else counts * mask
        rows = counts.unflatten(1, (-1, self.row)).amin(-1)  # (B, T)
        weights = modes.log_weights.exp()
        one, other = torch.triu_indices(weights.shape[1], weights.shape[1], 1, device=weights.device)
        to_truth = self._sum_of_rows(means - truth, rows)  # (B, K)
        to_each_other = self._sum_of_rows(means[..., one] - means[..., other], rows)  # (B, K (K - 1) / 2)
        score = (weights * to_truth).sum(-1) - (weights[:, one] * weights[:, other] * to_each_other).sum(-1)
        loss = score.sum() / rows.sum().clamp(min=1)
        return LossOutput(loss, {"joint_energy": loss.detach()})

    def _sum_of_rows(self, difference: Tensor, rows: Tensor) -> Tensor:
        """Return the root mean squares of the rows of differences (B, L, X), added up where they count, (B, X)."""
        if self.tokens.wraps:
            groups = self.tokens.groups.expand(difference.shape[1])[:, None]
            difference = self.tokens.the_short_way(difference, groups)
        lengths = torch.linalg.vector_norm(difference.unflatten(1, (-1, self.row)), dim=2) / self.row**0.5  # (B, T, X)
        return torch.einsum("btx,bt->bx", lengths, rows)
