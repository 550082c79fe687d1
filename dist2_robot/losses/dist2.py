"""DIST2Loss: cross-entropy plus a pull towards tokens that are near the true one (arXiv 2503.02379).

The target of a position with true token x is ``p_d(v) = softmax_v(-d(v, x) / tau)``, and
``L = CE + alpha * KL(p_d || p)``. With the token as action and ``-d`` as its reward, p_d is the closed-form optimum of
entropy-regularised policy optimisation, so the KL term distils that optimum without sampling.

G groups of positions that share distances, L positions, V tokens with distances, W of the whole vocabulary.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.protocol import Distance
from dist2_robot.distances.table import DistanceTable
from dist2_robot.distances.target import nearest_targets
from dist2_robot.distances.temperature import FixedTemperature, Temperature
from dist2_robot.losses.compiled_dist2 import CompiledDist2
from dist2_robot.losses.fused_dist2 import fused_dist2
from dist2_robot.losses.metric_vocabulary import MetricVocabulary
from dist2_robot.losses.output import LossOutput, each_cross_entropy, masked_mean, mean_cross_entropy, working_dtype
from dist2_robot.losses.places import places, places_in_runs
from dist2_robot.losses.target_store import SparseTargets, TargetStore, check_neighbours, store_targets

SUPPORTS = ("vocabulary", "metric_tokens")
PLACE_WEIGHTS = ("none", "linear")


class Dist2Loss(nn.Module):
    """``ce_weight * CE + alpha * KL(p_d || p)``, averaged over positions.

    ``alpha=0`` is cross-entropy to the bit; ``ce_weight=0`` trains on the distance target alone. The published setting
    is `Dist2Loss.paper`. CE runs over the whole vocabulary, and stands alone where the true token has no distance.
    """

    def __init__(
        self,
        distances: DistanceTable | TargetStore,
        tau: float | Temperature = 2.0,
        alpha: float = 1.0,
        ce_weight: float = 1.0,
        *,
        support: str = "vocabulary",
        token_ids: Sequence[int] | Tensor | None = None,
        points: TokenPoints | None = None,
        digits: int | None = None,
        place_weights: str = "none",
        contrast: float = 0.0,
        neighbours: int | None = None,
    ) -> None:
        """Work out all targets. Raises ValueError where an option is out of its range.

        Args:
            distances: How far apart tokens are; or targets made before, of which tau, contrast, neighbours are part.
            tau: Temperature, in the unit of the distances.
            alpha: Weight of the distance term.
            ce_weight: Weight of the one-hot term.
            support: What p is normalised over in the KL: ``vocabulary``, all logits (then the KL also pulls mass from
                the other tokens to those with distances), or ``metric_tokens``. The same where all tokens have them.
            token_ids: (V,), the vocabulary ids of the metric tokens of a language model, in the order of the distances;
                true tokens then are vocabulary ids. None: all tokens have distances.
            points: Of which only ``digits`` matters here.
            digits: How many positions write one number; None: as points say, else 1.
            place_weights: ``linear``: the KL of the first of n digits counts n, of the last 1, over their mean
                (n + 1) / 2, so that alpha keeps its meaning (published: 4/3/2/1 for four digits; whether normalised is
                not known). With token_ids each run of metric tokens is a number. ``none``: all the same.
            contrast: How much far tokens are pushed down in the target, see `target_rows`: our reading of the paper's
                contrastive augmentation; 0 is off.
            neighbours: Keep so many tokens of each target, for large codebooks; None: all.
        """
        super().__init__()
        if not (alpha >= 0 and ce_weight >= 0 and 0 < alpha + ce_weight < math.inf):
            raise ValueError(f"alpha and ce_weight must be finite, not negative, not both 0: {alpha}, {ce_weight}")
        if support not in SUPPORTS or place_weights not in PLACE_WEIGHTS:
            raise ValueError(
                f"support must be one of {SUPPORTS}, place_weights of {PLACE_WEIGHTS}: got {support}, {place_weights}"
            )
        if not 0 <= contrast < math.inf:
            raise ValueError(f"contrast must be finite and not negative, got {contrast}")
        self.alpha, self.ce_weight, self.support, self.place_weights = alpha, ce_weight, support, place_weights
        self.digits = digits if digits is not None else 1 if points is None else points.digits
        if self.digits < 1:
            raise ValueError(f"digits must be at least 1, got {digits}")
        is_made = isinstance(distances, TargetStore)
        self.targets = distances if is_made else store_targets(distances, tau, contrast, neighbours)
        self.metric = None if token_ids is None else MetricVocabulary(token_ids)
        if self.metric is not None and len(self.metric) != self.targets.vocab_size:
            raise ValueError(f"{len(self.metric)} token_ids for distances of {self.targets.vocab_size} tokens")

    @classmethod
    def paper(cls, squared_bins: DistanceTable) -> "Dist2Loss":
        """Return the published setting: alpha 0.1 and tau 1 with squared differences of bin numbers.

        Its target has a variance of half a squared bin: with many bins it is nearly one-hot.
        """
        return cls(squared_bins, tau=1.0, alpha=0.1, ce_weight=1.0)

    @classmethod
    def from_points(
        cls, points: TokenPoints, distance: Distance, tau: float | Temperature = 2.0, *, neighbours: int, **options: Any
    ) -> "Dist2Loss":
        """Return the loss for a codebook too large for distances between all its tokens; only a fixed tau will do.

        The options are those of the constructor.
        """
        if isinstance(tau, FixedTemperature):
            tau = tau.tau
        if isinstance(tau, Temperature) or not tau > 0:
            raise ValueError(f"tau must be a positive number where not all distances are worked out, got {tau}")
        check_neighbours(neighbours, points.vocab_size)
        kept = nearest_targets(points, distance, tau, neighbours, options.pop("contrast", 0.0))
        return cls(SparseTargets(*kept, points.groups), points=points, **options)

    def target(self, tokens: Tensor) -> Tensor:
        """Return p_d (..., L, V) for true tokens (..., L), numbered as in the distances."""
        return self.targets.target(self.targets.number(tokens))

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        if self.alpha == 0:
            cross_entropy = mean_cross_entropy(logits, targets, padding_mask)
            loss = self.ce_weight * cross_entropy if self.ce_weight != 1 else cross_entropy
            return LossOutput(loss, {"cross_entropy": cross_entropy.detach()})
        number, has_distance = targets, metric_tokens
        if self.metric is not None:
            number, has_distance = self.metric.find(targets)
            has_distance = has_distance if metric_tokens is None else has_distance & metric_tokens
        weights = self._weights(targets, has_distance, working_dtype(logits))
        terms = self._in_one_pass if self.metric is None else self._term_by_term
        loss, cross_entropy, divergence = terms(logits, targets, number, padding_mask, weights)
        return LossOutput(loss, {"cross_entropy": cross_entropy.detach(), "divergence": divergence.detach()})

    def _weights(self, targets: Tensor, has_distance: Tensor | None, dtype: torch.dtype) -> Tensor | None:
        """Return what the divergence of each position counts, (..., L); None where all count the same."""
        weights = has_distance
        if self.place_weights == "linear":
            if self.metric is not None and has_distance is not None:
                place = places_in_runs(has_distance)
            else:
                place = places(targets.shape[-1], self.digits, targets.device)
            weights = ((place + 1).to(dtype) * (2 / (self.digits + 1))).expand_as(targets)
            weights = weights if has_distance is None else weights * has_distance
        return None if weights is None else weights.to(dtype)

    def _in_one_pass(
        self, logits: Tensor, targets: Tensor, number: Tensor, padding_mask: Tensor | None, weights: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return loss, mean cross-entropy and mean divergence where all tokens have distances."""
        ce_weight: float | Tensor = self.ce_weight / max(targets.numel(), 1)
        kl_weight: float | Tensor = self.alpha / max(targets.numel(), 1)
        if padding_mask is not None or weights is not None:
            keep = torch.ones_like(targets, dtype=torch.bool) if padding_mask is None else ~padding_mask
            each = keep.flatten().to(working_dtype(logits)) / keep.sum().clamp(min=1)
            ce_weight = self.ce_weight * each
            kl_weight = self.alpha * each * (1.0 if weights is None else weights.flatten())
        flat = logits.flatten(0, -2), targets.flatten(), self.targets.number(number).flatten()
        one_pass = CompiledDist2.apply if torch.compiler.is_compiling() else fused_dist2
        loss, cross_entropy, divergence = one_pass(*flat, self.targets, ce_weight, kl_weight)
        cross_entropy, divergence = cross_entropy.view_as(targets), divergence.view_as(targets)
        divergence = divergence if weights is None else weights * divergence
        return loss, masked_mean(cross_entropy, padding_mask), masked_mean(divergence, padding_mask)

    def _term_by_term(
        self, logits: Tensor, targets: Tensor, number: Tensor, padding_mask: Tensor | None, weights: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the same from plain operations, and where tokens of a larger vocabulary have distances."""
        cross_entropy = each_cross_entropy(logits, targets)  # (..., L)
        scores = (logits if self.metric is None else logits[..., self.metric.token_ids]).to(cross_entropy.dtype)
        if self.support == "metric_tokens" and self.metric is not None:
            normaliser = scores.logsumexp(-1)
        else:  # that of the cross-entropy
            normaliser = cross_entropy + logits.gather(-1, targets[..., None]).squeeze(-1)
        rows = self.targets.number(number)
        expected = self.targets.rows(rows.flatten(), scores.dtype).expect(scores.flatten(0, -2)).view_as(rows)
        divergence = self.targets.negative_entropy[rows] + normaliser - expected
        if weights is not None:
            divergence = (weights * divergence).masked_fill(weights == 0, 0.0)
        means = masked_mean(cross_entropy, padding_mask), masked_mean(divergence, padding_mask)
        return self.ce_weight * means[0] + self.alpha * means[1], *means
