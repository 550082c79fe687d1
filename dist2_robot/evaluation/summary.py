"""From episodes to the content of results.json."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from dist2_robot.evaluation.intervals import wilson_interval
from dist2_robot.evaluation.returns import summarise_returns

MAX_ERROR_SHARE = 0.05
OUTCOMES = ("success", "failure", "error")


def summarise(episodes: Sequence[Mapping[str, Any]], *, max_error_share: float = MAX_ERROR_SHARE) -> dict[str, Any]:
    """Count episodes and say how sure the rates are.

    An episode that ended in an error (a simulation that broke) is neither success nor failure. With too many of them
    there is no score at all: what is left is no fair sample.

    Args:
        episodes: One mapping an episode: ``index``, ``seed``, ``outcome``, ``steps``, ``success_step``,
            ``success_at_end``, ``jerk``, ``message``, and where they are known ``episode_return`` and ``progress``.
        max_error_share: Largest share of errors with which a rate is still given.

    Raises:
        ValueError: An outcome is none of success, failure, error.
    """
    unknown = {episode["outcome"] for episode in episodes} - set(OUTCOMES)
    if unknown:
        raise ValueError(f"episode outcomes must be among {OUTCOMES}, got {sorted(map(str, unknown))}")
    counts = Counter(episode["outcome"] for episode in episodes)
    successes, failures, errors = (counts[outcome] for outcome in OUTCOMES)
    assert successes + failures + errors == len(episodes), "every episode has one outcome"

    valid = [episode for episode in episodes if episode["outcome"] != "error"]
    at_end = sum(bool(episode.get("success_at_end")) for episode in valid)
    note = _note(len(episodes), len(valid), errors, max_error_share)
    summary = {
        "kind": "evaluation",
        "episodes": len(episodes),
        "successes": successes,
        "failures": failures,
        "errors": errors,
        "success_rate": None if note else successes / len(valid),
        "success_interval": None if note else list(wilson_interval(successes, len(valid))),
        "success_rate_at_end": None if note else at_end / len(valid),
        "success_at_end_interval": None if note else list(wilson_interval(at_end, len(valid))),
        "median_steps_to_success": _of_finite(
            median, (e.get("success_step") for e in valid if e["outcome"] == "success")
        ),
        "action_jerk": _of_finite(fmean, (episode.get("jerk") for episode in valid)),
        **summarise_returns(valid),
        "per_episode": [dict(episode) for episode in episodes],
    }
    return summary | ({"note": note} if note else {})


def _note(episodes: int, valid: int, errors: int, max_error_share: float) -> str | None:
    if errors > max_error_share * episodes:
        return f"no success rate: {errors} of {episodes} episodes ended in an error, more than {max_error_share:.0%}"
    return None if valid else "no success rate: no episodes"


def _of_finite(statistic: Any, values: Iterable[float | None]) -> float | None:
    finite = [value for value in values if value is not None and math.isfinite(value)]
    return float(statistic(finite)) if finite else None
