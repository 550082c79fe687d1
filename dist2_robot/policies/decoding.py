"""From token distributions to one value per position. B batch, L positions, V tokens."""

from collections.abc import Callable

import torch
from torch import Tensor

# probabilities (B, L, V), values (L, V), periods (L,) (inf where the dimension does not wrap) -> values (B, L)
Rule = Callable[[Tensor, Tensor, Tensor], Tensor]

LOCAL_WINDOW = 0.04  # of the vocabulary on either side of the mode


def argmax(probabilities: Tensor, values: Tensor, periods: Tensor) -> Tensor:
    """The value of the most probable token."""
    return _pick(values, probabilities.argmax(-1))


def mean(probabilities: Tensor, values: Tensor, periods: Tensor) -> Tensor:
    """The expected value; on a circle the angle of the expected point. Between two modes it is neither of them."""
    plain = (probabilities * values).sum(-1)
    wraps = torch.isfinite(periods)
    if not wraps.any():
        return plain
    period = torch.where(wraps, periods, torch.ones_like(periods))
    low = values[:, 0] - 0.5 * period / values.shape[-1]
    angle = 2 * torch.pi * (values - low[:, None]) / period[:, None]  # (L, V), from the lower limit
    sine, cosine = (probabilities * angle.sin()).sum(-1), (probabilities * angle.cos()).sum(-1)
    circular = low + torch.remainder(torch.atan2(sine, cosine), 2 * torch.pi) / (2 * torch.pi) * period
    return torch.where(wraps, circular, plain)


def local_mean(probabilities: Tensor, values: Tensor, periods: Tensor) -> Tensor:
    """The expected value within 4 % of the vocabulary on either side of the most probable token.

    As smooth as the mean where there is one mode, and never between two that lie farther apart.
    """
    vocab_size = probabilities.shape[-1]
    mode = probabilities.argmax(-1)  # (B, L)
    offset = (torch.arange(vocab_size, device=mode.device) - mode[..., None]).abs()  # (B, L, V)
    wraps = torch.isfinite(periods)[:, None]
    offset = torch.where(wraps, torch.minimum(offset, vocab_size - offset), offset)
    near = probabilities.masked_fill(offset > max(1, round(LOCAL_WINDOW * vocab_size)), 0.0)
    return mean(near / near.sum(-1, keepdim=True), values, periods)


RULES: dict[str, Rule] = {"argmax": argmax, "mean": mean, "local_mean": local_mean}


def decode_values(
    logits: Tensor, values: Tensor, periods: Tensor, is_gripper: Tensor, rule: str
) -> tuple[Tensor, Tensor]:
    """Choose a value for every position by a rule; grippers always by argmax, for half open is neither.

    Args:
        logits: (B, L, V).
        values: (L, V), what the tokens mean.
        periods: (L,), the length after which values repeat, or infinity.
        is_gripper: (L,), positions that are never averaged.
        rule: A name in `RULES`.

    Returns:
        Values (B, L) and the entropy of each distribution (B, L), in nats.

    Raises:
        ValueError: A logit is not finite: an argmax of NaN would be the valid token 0.
    """
    if not torch.isfinite(logits).all():
        raise ValueError("the policy gave logits that are not finite")
    log_probabilities = torch.log_softmax(logits, dim=-1)
    probabilities = log_probabilities.exp()
    chosen = RULES[rule](probabilities, values, periods)
    chosen = torch.where(is_gripper, argmax(probabilities, values, periods), chosen)
    return chosen, -(probabilities * log_probabilities).sum(-1)


def _pick(values: Tensor, tokens: Tensor) -> Tensor:
    return values.expand(*tokens.shape, -1).gather(-1, tokens[..., None]).squeeze(-1)
