"""Losses added up with weights."""

from collections import Counter
from collections.abc import Mapping

from torch import Tensor, nn

from dist2_robot.losses.output import LossOutput


class WeightedSumLoss(nn.Module):
    """``sum of weight_i * L_i``.

    Parts keep their names, but for those that several terms have: of them each is ``<term>.<part>``.
    """

    def __init__(self, terms: Mapping[str, nn.Module], weights: Mapping[str, float]) -> None:
        super().__init__()
        if set(terms) != set(weights) or not terms:
            raise ValueError(f"terms {sorted(terms)} and weights {sorted(weights)} must be the same names")
        self.terms = nn.ModuleDict(terms)
        self.weights = dict(weights)

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        target_values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        metric_tokens: Tensor | None = None,
    ) -> LossOutput:
        total = logits.new_zeros(())
        found: dict[str, Mapping[str, Tensor]] = {}
        for name, term in self.terms.items():
            output = term(
                logits,
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
