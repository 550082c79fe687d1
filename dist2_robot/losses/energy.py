"""The energy score of the predicted distribution: how far it is from the truth, less its own spread.

``L = E d(V, x) - 1/2 E d(V, V')`` with V, V' drawn from the prediction (Gneiting and Raftery 2007, section 4.3). For
``d = |difference|`` of ordered bins it is the squared earth mover's distance between prediction and truth, with each
step of the cumulative distribution weighted by the spacing of the bins (the ranked probability score).

It is strictly proper for distances of strict negative type only. G groups of positions, L positions, V tokens.
"""

import torch
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.table import DistanceTable
from dist2_robot.losses.output import LossOutput, log_probabilities, masked_mean
from dist2_robot.losses.token_values import TokenValues

# Eigenvalues of a float32 table (V, V) are known to about this share of its largest entry, times the root of V.
_EIGENVALUE_ERROR = 1e-6


class EnergyLoss(nn.Module):
    """Mean energy score over positions, in the unit of the distances.

    The truth is the action before it was cut into bins, where the tokens have an order and the points are given: in
    between two tokens distances are interpolated, which for differences of numbers gives those from the truth itself.

    Args:
        distances: Of strict negative type, e.g. absolute differences; ValueError if they are not (squared ones would
            score the mean only, and so leave the spread free).
        points: What the tokens are; None where only tokens are known, and for codebooks.
    """

    distance_table: Tensor
    spacing: Tensor
    groups: Tensor

    def __init__(self, distances: DistanceTable, points: TokenPoints | None = None) -> None:
        super().__init__()
        self.tokens = None if points is None or not points.is_ordered else TokenValues(points, "energy")
        table = distances.distances
        valid = torch.ones(table.shape[:2], dtype=torch.bool) if distances.valid is None else distances.valid
        present = [d[v][:, v] for d, v in zip(table, valid.to(table.device), strict=True)]  # those that there are
        self.on_a_line = all(_is_line_metric(d) for d in present)
        if not self.on_a_line:
            _check_strict_negative_type(present)
        if distances.valid is not None:  # whatever stands in for the distance to a token that is not there
            table = table.masked_fill(~(valid[:, :, None] & valid[:, None, :]), 0.0)
        self.register_buffer("distance_table", table, persistent=False)
        self.register_buffer("spacing", _spacing(table, valid), persistent=False)  # (G, V-1)
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
        probabilities = log_probabilities(logits).exp()  # (..., L, V)
        lower, upper, share = targets, targets, torch.zeros_like(targets, dtype=probabilities.dtype)
        if self.tokens is not None and target_values is not None:
            lower, upper, share = self.tokens.between(targets, target_values)
        score = (
            self._on_line(probabilities, lower + share)
            if self.on_a_line
            else self._general(probabilities, lower, upper, share.to(probabilities.dtype))
        )
        if metric_tokens is not None:
            score = score.masked_fill(~metric_tokens, 0.0)
        loss = masked_mean(score, padding_mask)
        return LossOutput(loss, {"energy": loss.detach()})

    def _on_line(self, probabilities: Tensor, position: Tensor) -> Tensor:
        """Integrate the squared difference of the cumulative distributions, (..., L).

        Where the truth is a share f on its way between two tokens, its own cumulative distribution is 0 on that part of
        the way and 1 on the rest: ``f F^2 + (1 - f) (F - 1)^2 = (F - (1 - f))^2 + f (1 - f)``.
        """
        cumulative = probabilities.cumsum(-1)[..., :-1]
        token = torch.arange(cumulative.shape[-1], device=position.device)
        truth = (token + 1 - position[..., None]).clamp(0, 1).to(cumulative.dtype)
        return (((cumulative - truth).square() + truth * (1 - truth)) * self.spacing[self.groups]).sum(-1)

    def _general(self, probabilities: Tensor, lower: Tensor, upper: Tensor, share: Tensor) -> Tensor:
        groups = self.groups.expand_as(lower)
        distances = self.distance_table.to(probabilities.dtype)
        to_each_other = torch.empty_like(probabilities)
        for group, table in enumerate(distances):  # not one table a position, which would be large
            here = groups == group
            to_each_other[here] = probabilities[here] @ table
        to_truth = torch.lerp(distances[groups, lower], distances[groups, upper], share[..., None])  # (..., L, V)
        return (probabilities * (to_truth - 0.5 * to_each_other)).sum(-1)


def _is_line_metric(table: Tensor) -> bool:
    """Return whether a table (V, V) holds the differences of ordered points on a line."""
    points = torch.nn.functional.pad(table.diagonal(offset=1).cumsum(-1), (1, 0))  # (V,)
    on_line = (points[:, None] - points[None, :]).abs()
    slack = 1e-4 * on_line + 1e-5 * table.max()
    return bool(((table - on_line).abs() <= slack).all())


def _spacing(table: Tensor, valid: Tensor) -> Tensor:
    """Return the length of the step from each token to the next that there is, (G, V-1), for points on a line."""
    first = valid.int().argmax(dim=1)
    along = table[torch.arange(len(table)), first]  # (G, V), the distance from the first
    return torch.where(valid, along, 0.0).cummax(dim=1).values.diff(dim=1)


def _check_strict_negative_type(tables: list[Tensor]) -> None:
    """Raise ValueError unless ``sum c_i c_j d_ij < 0`` in every table for all c but zero that sum to zero."""
    for number, table in enumerate(tables):
        vocab_size, scale = len(table), float(table.max())
        if scale == 0:
            raise ValueError(f"the energy loss needs tokens that differ: all distances of group {number} are 0")
        table = table.double().cpu() / scale
        centring = torch.eye(vocab_size, dtype=torch.float64) - 1.0 / vocab_size
        # Centring gives the constant vector an eigenvalue of zero that says nothing: move it out of the way.
        largest = float(torch.linalg.eigvalsh(centring @ table @ centring - 1.0 / vocab_size)[-1])
        if largest > -_EIGENVALUE_ERROR * vocab_size**0.5:
            raise ValueError(
                f"the energy loss needs distances of strict negative type (largest eigenvalue {largest:.3g} of the "
                "largest distance, must be below 0): use the absolute distance, or the Euclidean one between code "
                "vectors"
            )
