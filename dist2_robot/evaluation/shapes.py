"""What the files of a run may hold where something is drawn or computed from it. Other entries may hold anything."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from dist2_robot.evaluation.summary import OUTCOMES

Shape = Callable[[Any], bool]


def number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)


def count(x: Any) -> bool:
    return type(x) is int and x >= 0


def text(x: Any) -> bool:
    return isinstance(x, str)


def some(shape: Shape) -> Shape:
    """Return the shape of a list."""
    return lambda x: isinstance(x, list) and all(map(shape, x))


def table(shape: Shape) -> Shape:
    """Return the shape of a table of any keys."""
    return lambda x: isinstance(x, Mapping) and all(map(shape, x.values()))


def entries(shapes: Mapping[str, Shape], *required: str) -> Shape:
    """Return the shape of a table in which some keys, if they are there and not null, have shapes of their own."""
    return lambda x: isinstance(x, Mapping) and not wrong_entry(x, shapes, *required)


def wrong_entry(content: Mapping[str, Any], shapes: Mapping[str, Shape], *required: str) -> str:
    """Return the first key whose value does not have its shape, or that lacks one; empty where all is well."""
    for key, shape in shapes.items():
        value = content.get(key)
        if (value is None and key in required) or not (value is None or shape(value)):
            return key
    return ""


def interval(x: Any) -> bool:
    return some(number)(x) and len(x) == 2


def _loss(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)  # one that diverged is not finite


def _outcome(x: Any) -> bool:
    return x in OUTCOMES if isinstance(x, str) else False


_ENDS = table(lambda x: x is None or number(x) or interval(x))  # a measure, largest and last, with intervals
_SHOWN = some(entries({"episode": count, "path": text, "outcome": text}, "episode", "path"))
_EPISODE = entries(
    {
        "seed": lambda x: type(x) is int,
        "outcome": _outcome,
        "start": table(some(number)),
        "episode_return": number,
        "progress": table(entries({"largest": number, "last": number}, "largest", "last")),
    },
    "seed",
    "outcome",
)
_RATES = dict.fromkeys(("success_rate", "success_rate_at_end", "rated_score"), number)
_INTERVALS = dict.fromkeys(
    ("success_interval", "success_at_end_interval", "return_interval", "rated_score_interval"), interval
)
CONFIG: Mapping[str, Shape] = {
    "name": lambda x: text(x) or number(x),
    "seed": lambda x: type(x) is int,
    "loss": table(lambda _: True),
}
METRICS: Mapping[str, Shape] = {
    "step": count,
    "kind": text,
    "loss": _loss,
    "success_rate": number,
    "success_interval": interval,
    "action_error": table(_loss),
    "units": table(text),
    "action_error_by_step": some(_loss),
}
SUMMARY: Mapping[str, Shape] = {
    **dict.fromkeys(("steps", "parameters"), count),
    **dict.fromkeys(("device", "git_revision"), text),
    "wall_time_s": number,
    **dict.fromkeys(("dataset", "versions"), table(lambda _: True)),
}
RESULTS: Mapping[str, Shape] = {
    **dict.fromkeys(("episodes", "successes", "failures", "errors"), count),
    **_RATES,
    **_INTERVALS,
    **dict.fromkeys(("median_steps_to_success", "action_jerk", "mean_return", "wall_time_s", "steps_per_s"), number),
    "progress": table(_ENDS),
    "note": text,
    "task": text,
    "environment": lambda x: text(x) or entries({"id": text, "kwargs": table(lambda _: True)})(x),
    "decoding": text,
    "observation_names": table(some(text)),
    "filmstrips": _SHOWN,
    "videos": _SHOWN,
    "per_episode": some(_EPISODE),
}
EXAMPLE: Mapping[str, Shape] = {"dimension": text, "unit": text, "step": count, "truth": number, "decoded": number}
