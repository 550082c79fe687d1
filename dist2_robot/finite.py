"""Checks of what flows through a policy, which a graph cannot hold: while one is exported they are left out."""

import torch
from torch import Tensor


class NonFiniteOutputError(ValueError):
    """A policy gave NaN or infinity, of inputs that are finite: its weights have grown beyond measure."""


def all_finite(x: Tensor) -> bool:
    """Tell whether no number is NaN or infinite.

    Always true while a policy is traced for export: an answer that depends on numbers ends a graph. What runs the
    graph checks its inputs, and its outputs, in which `mark_unless_finite` left a trace.
    """
    return torch.compiler.is_exporting() or bool(torch.isfinite(x).all())


def mark_unless_finite(x: Tensor, source: Tensor) -> Tensor:
    """Return x (..., n); while a policy is traced for export NaN where the source (..., n, V) is not finite.

    Runtimes clip NaN to a limit, or choose token 0 of it. So what would raise here must not come out as a number.
    """
    if not torch.compiler.is_exporting():
        return x
    return torch.where(torch.isfinite(source).all(-1), x, torch.full_like(x, torch.nan))
