"""The energy score of the predicted distribution: how far it is from the truth, less its own spread.

``L = E d(V, x) - 1/2 E d(V, V')`` with V, V' drawn from the prediction (Gneiting and Raftery 2007, section 4.3). For
``d = |difference|`` of ordered bins it is the squared earth mover's distance between prediction and truth, with each
step of the cumulative distribution weighted by the spacing of the bins (the ranked probability score).

It is strictly proper for distances of strict negative type only. G groups of positions, L positions, V tokens.
"""

import torch
from torch import Tensor, nn

from dist2_robot.distances.table import DistanceTable
from dist2_robot.losses.output import LossOutput, masked_mean

# Eigenvalues of a float32 table (V, V) are known to about this share of its largest entry, times the root of V.
_EIGENVALUE_ERROR = 1e-6


class EnergyLoss(nn.Module):
    """Mean energy score over positions, in the unit of the distances.

    Args:
        distances: Of strict negative type, e.g. absolute differences; ValueError if they are not (squared ones would
            score the mean only, and so leave the spread free).
    """

    distance_table: Tensor
    spacing: Tensor
    groups: Tensor

    def __init__(self, distances: DistanceTable) -> None:
        super().__init__()
        table = distances.distances
        self.on_a_line = _is_line_metric(table)
        if not self.on_a_line:
            _check_strict_negative_type(table)
        self.register_buffer("distance_table", table, persistent=False)
        self.register_buffer("spacing", table.diagonal(offset=1, dim1=1, dim2=2), persistent=False)  # (G, V-1)
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
        probabilities = torch.softmax(logits, dim=-1)  # (..., L, V)
        score = self._on_line(probabilities, targets) if self.on_a_line else self._general(probabilities, targets)
        if metric_tokens is not None:
            score = score.masked_fill(~metric_tokens, 0.0)
        loss = masked_mean(score, padding_mask)
        return LossOutput(loss, {"energy": loss.detach()})

    def _on_line(self, probabilities: Tensor, targets: Tensor) -> Tensor:
        """Integrate the squared difference of the cumulative distributions, (..., L)."""
        cumulative = probabilities.cumsum(-1)[..., :-1]
        edges = torch.arange(cumulative.shape[-1], device=targets.device)
        truth = (edges >= targets[..., None]).to(cumulative.dtype)
        return ((cumulative - truth).square() * self.spacing[self.groups]).sum(-1)

    def _general(self, probabilities: Tensor, targets: Tensor) -> Tensor:
        distances = self.distance_table.to(probabilities.dtype)
        table = distances[self.groups]  # (L, V, V)
        to_truth = distances[self.groups.expand_as(targets), targets]  # (..., L, V)
        to_each_other = torch.einsum("...lv,lvw->...lw", probabilities, table)
        return (probabilities * (to_truth - 0.5 * to_each_other)).sum(-1)


def _is_line_metric(table: Tensor) -> bool:
    """Return whether every table holds the differences of ordered points on a line."""
    points = torch.nn.functional.pad(table.diagonal(offset=1, dim1=1, dim2=2).cumsum(-1), (1, 0))  # (G, V)
    on_line = (points[:, :, None] - points[:, None, :]).abs()
    slack = 1e-4 * on_line + 1e-5 * table.amax(dim=(1, 2), keepdim=True)
    return bool(((table - on_line).abs() <= slack).all())


def _check_strict_negative_type(table: Tensor) -> None:
    """Raise ValueError unless ``sum c_i c_j d_ij < 0`` for all c but zero that sum to zero."""
    vocab_size = table.shape[-1]
    table = table.double().cpu()
    centring = torch.eye(vocab_size, dtype=torch.float64) - 1.0 / vocab_size
    scale = table.amax(dim=(1, 2))  # (G,)
    # Centring gives the constant vector an eigenvalue of zero that says nothing: move it out of the way.
    centred = centring @ table @ centring - (scale / vocab_size)[:, None, None]
    largest = torch.linalg.eigvalsh(centred)[:, -1] / scale
    if (largest > -_EIGENVALUE_ERROR * vocab_size**0.5).any():
        raise ValueError(
            f"the energy loss needs distances of strict negative type (largest eigenvalue {float(largest.max()):.3g} "
            "of the largest distance, must be below 0): use the absolute distance, or the Euclidean one between code "
            "vectors"
        )
