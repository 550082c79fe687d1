"""Whether a file holds scores on held-out episodes: checked before anything is drawn or compared from it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.evaluation.held_out_scores import KIND, SCORES


def check_held_out(content: Mapping[str, Any], path: Path) -> None:
    """Raise InputError, naming file and entry, unless a file holds what `HeldOutScores.to_dict` gives."""
    wrong = next(iter(_wrong_entries(content)), None)
    if wrong is not None:
        raise InputError(f"{path} holds no scores on held-out episodes ({wrong}): make it again with dist2-eval")


def _wrong_entries(content: Mapping[str, Any]) -> list[str]:
    wrong = [] if content.get("kind") == KIND else ["kind"]
    wrong += [key for key in ("frames", "episodes", "horizon") if not _is_count(content.get(key))]
    overall, dimensions, episodes = (content.get(key) for key in ("overall", "dimensions", "per_episode"))
    if not isinstance(overall, Mapping) or not _has_scores(overall):
        wrong.append("overall")
    wrong += [key for key in ("decoding", "note") if not isinstance(content.get(key), str | None)]
    if not _are_numbers(content.get("mae_by_step")):
        wrong.append("mae_by_step")
    if content.get("crps_by_step") is not None and not _are_numbers(content["crps_by_step"]):
        wrong.append("crps_by_step")
    if not (isinstance(dimensions, list) and dimensions and all(map(_is_dimension, dimensions))):
        wrong.append("dimensions")
    if not (isinstance(episodes, list) and episodes and all(map(_is_episode, episodes))):
        wrong.append("per_episode")
    return wrong


def _is_dimension(entry: Any) -> bool:
    return (
        isinstance(entry, Mapping)
        and all(isinstance(entry.get(key), str) for key in ("name", "unit"))
        and all(_is_number(entry.get(key)) for key in ("std", "mae", "outside_limits"))
        and isinstance(entry.get("stands_still"), bool)
        and _has_scores(entry)
        and _are_numbers(entry.get("mae_by_step"))
    )


def _is_episode(entry: Any) -> bool:
    return (
        isinstance(entry, Mapping)
        and isinstance(entry.get("key"), str)
        and _is_count(entry.get("numbers"))
        and _has_scores(entry)
    )


def _has_scores(entry: Mapping[str, Any]) -> bool:
    return all(score in entry and (entry[score] is None or _is_number(entry[score])) for score in SCORES)


def _are_numbers(values: Any) -> bool:
    is_list = isinstance(values, Sequence) and not isinstance(values, str) and len(values) > 0
    return is_list and all(value is None or _is_number(value) for value in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
