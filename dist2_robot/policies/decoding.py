"""From token distributions to one choice per position. B batch, n positions, V tokens."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from dist2_robot.finite import NonFiniteOutputError, all_finite, mark_unless_finite
from dist2_robot.policies.circles import Circles
from dist2_robot.policies.risk import RiskTables

LOCAL_WINDOW = 0.04  # of the vocabulary on either side of the mode


@dataclass(frozen=True)
class Meanings:
    """What the tokens of n positions mean, as far as a rule needs to know.

    Attributes:
        values: (n, V), the number that each token stands for; None for tokens without an order.
        periods: (n,), the length after which values repeat, or infinity.
        never_averaged: (n,), positions such as grippers, where half open is neither.
        log_widths: (n, V), of bins that are not equally wide; None where they are.
        distances: (G, V, V), for the rule of least risk only.
        groups: (n,), which of the G tables a position uses; None where each has its own.
        valid: (n, V), which tokens there are, where some positions have fewer than V; None for all.
        boundaries: (n, V + 1), where the tokens of each position begin and end; None where that is half-way between
            their values, and nothing repeats.
        circles: The positions whose values repeat; None without any. Found here, so that no rule asks a tensor:
            neither a device nor an exported graph can wait for the answer.
        risks: The distances, ordered for the rule of least risk.
    """

    values: Tensor | None
    periods: Tensor
    never_averaged: Tensor
    log_widths: Tensor | None = None
    distances: Tensor | None = None
    groups: Tensor | None = None
    valid: Tensor | None = None
    boundaries: Tensor | None = None
    circles: Circles | None = field(init=False)
    risks: RiskTables | None = field(init=False)

    def __post_init__(self) -> None:
        circles = Circles.find(self.values, self.periods, self.boundaries, self.valid)
        object.__setattr__(self, "circles", circles)
        risks = None
        if self.distances is not None:
            own = torch.arange(len(self.periods), device=self.periods.device)
            risks = RiskTables.of(self.distances, own if self.groups is None else self.groups)
        object.__setattr__(self, "risks", risks)

    def at(self, positions: slice) -> "Meanings":
        """Return what the tokens of some of the positions mean."""
        whole = self if self.groups is not None else replace(self, groups=torch.arange(len(self.periods)))
        given = {key: x for key, x in vars(whole).items() if isinstance(x, Tensor) and key != "distances"}
        return replace(whole, **{key: x[positions] for key, x in given.items()})

    def to(self, device: torch.device) -> "Meanings":
        """Return the same on a device."""
        return replace(self, **{key: x.to(device) for key, x in vars(self).items() if isinstance(x, Tensor)})


@dataclass(frozen=True)
class Sampling:
    """Attributes:
    temperature: Above 1 more daring than the policy, below 1 less.
    top_p: Draw from the smallest set of likeliest tokens that holds this much of the mass.
    """

    temperature: float = 1.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0 or not 0 < self.top_p <= 1:
            raise ValueError(
                f"sampling needs temperature > 0 and 0 < top_p <= 1, got {self.temperature} and {self.top_p}"
            )

    def __call__(self, logits: Tensor) -> Tensor:
        """Return the probabilities (..., V) to draw from."""
        probabilities = torch.softmax(logits / self.temperature, dim=-1)
        ordered, order = probabilities.sort(dim=-1, descending=True)
        beyond = ordered.cumsum(-1) - ordered >= self.top_p  # the likeliest is never beyond
        kept = ordered.masked_fill(beyond, 0.0)
        return torch.zeros_like(kept).scatter(-1, order, kept / kept.sum(-1, keepdim=True))


@dataclass(frozen=True)
class Choice:
    """Attributes:
    tokens: (B, n), what was chosen, or the tokens that it lies in.
    values: (B, n), the numbers that were chosen; None for tokens without an order.
    entropy: (B, n), of the distributions, in nats.
    expected_error: (B, n), mean distance of the distributions from the values, the short way round; None without.
    """

    tokens: Tensor
    values: Tensor | None
    entropy: Tensor
    expected_error: Tensor | None = None


# probabilities (B, n, V) and what the tokens mean -> tokens (B, n), or values (B, n)
Rule = Callable[[Tensor, Meanings], Tensor]


def argmax(probabilities: Tensor, meanings: Meanings) -> Tensor:
    """The most probable token."""
    return probabilities.argmax(-1)


def median(probabilities: Tensor, meanings: Meanings) -> Tensor:
    """The first token with half of the mass up to it; on a circle the one with the least expected arc to all others."""
    plain = (probabilities.cumsum(-1) < 0.5).sum(-1).clamp(max=probabilities.shape[-1] - 1)
    circles = meanings.circles
    return plain if circles is None else circles.put(plain, circles.median(probabilities))


def min_risk(probabilities: Tensor, meanings: Meanings) -> Tensor:
    """The token of least expected distance to what the policy believes, under the distance it is trained with."""
    assert meanings.risks is not None
    risk, valid = meanings.risks.risk(probabilities), meanings.valid
    return (risk if valid is None else risk.masked_fill(~valid, torch.inf)).argmin(-1)


def sample(probabilities: Tensor, meanings: Meanings) -> Tensor:
    """A token drawn by its probability."""
    drawn = torch.multinomial(probabilities.flatten(0, -2), 1)
    return drawn.view(probabilities.shape[:-1])


def mean(probabilities: Tensor, meanings: Meanings) -> Tensor:
    """The expected value; on a circle the angle of the expected point. Between two modes it is neither of them."""
    assert meanings.values is not None
    plain, circles = (probabilities * meanings.values).sum(-1), meanings.circles
    return plain if circles is None else circles.put(plain, circles.mean(probabilities))


def local_mean(probabilities: Tensor, meanings: Meanings) -> Tensor:
    """The expected value within 4 % of the tokens of a position on either side of the most probable one.

    As smooth as the mean where there is one mode, and never between two that lie farther apart.
    """
    mode = probabilities.argmax(-1)  # (B, n)
    offset = (torch.arange(probabilities.shape[-1], device=mode.device) - mode[..., None]).abs()  # (B, n, V)
    count = torch.full_like(meanings.periods, probabilities.shape[-1])
    count = (count if meanings.valid is None else meanings.valid.sum(-1))[:, None]  # (n, 1)
    wraps = torch.isfinite(meanings.periods)[:, None]
    offset = torch.where(wraps, torch.minimum(offset, (count - offset).abs()), offset)
    near = probabilities.masked_fill(offset > (LOCAL_WINDOW * count).round().clamp(min=1), 0.0)
    return mean(near / near.sum(-1, keepdim=True), meanings)


TOKEN_RULES: dict[str, Rule] = {"argmax": argmax, "median": median, "min_risk": min_risk, "sample": sample}
VALUE_RULES: dict[str, Rule] = {"mean": mean, "local_mean": local_mean}
RULES = {**TOKEN_RULES, **VALUE_RULES}
ORDERED_RULES = ("median", *VALUE_RULES)  # for tokens that stand for numbers


def choose(logits: Tensor, meanings: Meanings, rule: str, sampling: Sampling | None = None) -> Choice:
    """Choose a token or a value for every position by a rule.

    Positions that are never averaged take their densest token by every rule but ``sample``.

    Args:
        logits: (B, n, V).
        meanings: Of the n positions.
        rule: A name in `RULES`.
        sampling: How ``sample`` draws.

    Raises:
        ValueError: A logit is not finite: an argmax of NaN would be the valid token 0.
    """
    if not all_finite(logits):
        raise NonFiniteOutputError("the policy gave logits that are not finite")
    log_probabilities = torch.log_softmax(logits, dim=-1)
    probabilities = log_probabilities.exp()
    entropy = mark_unless_finite(-(probabilities * log_probabilities).sum(-1), logits)
    belief = probabilities
    if rule == "sample":
        probabilities = (sampling or Sampling())(logits)
    # A narrow bin of a smooth density holds little mass, be it at the very mode: densities are compared.
    density = log_probabilities if meanings.log_widths is None else log_probabilities - meanings.log_widths
    densest, fixed = density.argmax(-1), meanings.never_averaged & (rule != "sample")
    if rule in TOKEN_RULES:
        tokens = torch.where(fixed, densest, TOKEN_RULES[rule](probabilities, meanings))
        if meanings.values is None:
            return Choice(tokens, None, entropy)
        values = _pick(meanings.values, tokens)
        return Choice(tokens, values, entropy, expected_error(belief, values, meanings))
    assert meanings.values is not None
    values = torch.where(fixed, _pick(meanings.values, densest), VALUE_RULES[rule](probabilities, meanings))
    if meanings.boundaries is None:
        tokens = (values[..., None] >= (meanings.values[:, 1:] + meanings.values[:, :-1]) / 2).sum(-1)
    else:  # in 64 bits, as the tokenizer would cut them
        tokens = (values[..., None].double() >= meanings.boundaries[:, 1:-1]).sum(-1)
    return Choice(tokens, values, entropy, expected_error(belief, values, meanings))


def expected_error(probabilities: Tensor, chosen: Tensor, meanings: Meanings) -> Tensor:
    """Return ``sum_v p(v) d(v, chosen)``, (B, n), with d the absolute difference, on a circle the shorter arc.

    Args:
        probabilities: (B, n, V).
        chosen: (B, n), within the limits.
        meanings: Of the n positions; ordered ones.
    """
    assert meanings.values is not None
    distance = (meanings.values - chosen[..., None]).abs()  # (B, n, V)
    if meanings.circles is not None:
        distance = torch.minimum(distance, (meanings.periods[:, None] - distance).abs())
    return (probabilities * distance).sum(-1)


def _pick(values: Tensor, tokens: Tensor) -> Tensor:
    return values.expand(*tokens.shape, -1).gather(-1, tokens[..., None]).squeeze(-1)
