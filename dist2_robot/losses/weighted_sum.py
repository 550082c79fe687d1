"""Losses added up with weights."""

from collections.abc import Mapping

from torch import Tensor, nn

from dist2_robot.losses.output import LossOutput


class WeightedSumLoss(nn.Module):
    """``sum of weight_i * L_i``; parts keep their names."""

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
        parts: dict[str, Tensor] = {}
        for name, term in self.terms.items():
            output = term(
                logits,
                targets,
                target_values=target_values,
                padding_mask=padding_mask,
                metric_tokens=metric_tokens,
            )
            total = total + self.weights[name] * output.loss
            parts.update(output.parts)
        return LossOutput(total, parts)
