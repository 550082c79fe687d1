"""Losses added up with weights."""

from collections import Counter
from collections.abc import Mapping

from torch import Tensor, nn

from dist2_robot.losses.output import LossOutput, judge
from dist2_robot.types import Prediction


class WeightedSumLoss(nn.Module):
    """``sum of weight_i * L_i``.

    Where a term judges modes the whole prediction is to be given in place of the logits.

    Parts keep their names, but for those that several terms have: of them each is ``<term>.<part>``.
    """

    def __init__(self, terms: Mapping[str, nn.Module], weights: Mapping[str, float]) -> None:
        super().__init__()
        if set(terms) != set(weights) or not terms:
            raise ValueError(f"terms {sorted(terms)} and weights {sorted(weights)} must be the same names")
        self.terms = nn.ModuleDict(terms)
        self.weights = dict(weights)
        self.judges_modes = any(getattr(term, "judges_modes", False) for term in terms.values())

    def forward(
        self,
        logits: Tensor | Prediction,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        prediction = Prediction(logits) if isinstance(logits, Tensor) else logits
        total = prediction.logits.new_zeros(())
        found: dict[str, Mapping[str, Tensor]] = {}
        for name, term in self.terms.items():
            output = judge(
                term,
                prediction,
                targets,
                target_values=target_values,
                padding_mask=padding_mask,
                metric_tokens=metric_tokens,
            )
            total = total + self.weights[name] * output.loss
            found[name] = output.parts
        return LossOutput(total, _under_different_names(found))


def _under_different_names(found: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return all parts of all terms, those of one name with the name of their term before it."""
    counts = Counter(part for parts in found.values() for part in parts)
    return {
        part if counts[part] == 1 else f"{term}.{part}": value
        for term, parts in found.items()
        for part, value in parts.items()
    }
