"""How far a task got, stage by stage."""

from collections.abc import Mapping

ALMOST = 0.99  # the most that the last stage tells before the task is done


def in_order(shares: Mapping[str, float], is_done: bool) -> dict[str, float]:
    """Return stage -> share of it that is done, 0 to 1; all are 1 exactly where the task is done.

    A stage is complete once a later one has begun: who carries a thing has reached it.

    Args:
        shares: Of each stage by itself, in their order; clipped to 0..1.
        is_done: Whether the task is.
    """
    names, done = list(shares), {}
    for name in reversed(names):
        share = 1.0 if any(done.values()) else min(max(float(shares[name]), 0.0), 1.0)
        if name == names[-1]:
            share = 1.0 if is_done else min(share, ALMOST)
        done[name] = share
    return {name: done[name] for name in names}


def nearness(distance: float, near: float, far: float) -> float:
    """Return 1 where a distance is at most `near`, 0 from `far` on, and linear between."""
    return min(max((far - distance) / (far - near), 0.0), 1.0)
