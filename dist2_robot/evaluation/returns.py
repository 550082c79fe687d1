"""How far episodes got, as far as the environment tells: the sum of rewards, and measures such as coverage."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from dist2_robot.evaluation.paired_scores import compare_scores, mean_interval

ENDS = ("largest", "last")


def summarise_returns(episodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return means over episodes, with 95 % intervals (Student's t; None for less than two), as plain values.

    Args:
        episodes: Without errors; ``episode_return`` and ``progress``, name -> ``largest`` and ``last`` of the episode.
    """
    mean, interval = _mean([e["episode_return"] for e in episodes if e.get("episode_return") is not None])
    found: dict[str, Any] = {"mean_return": mean, "return_interval": interval, "progress": {}}
    for name in dict.fromkeys(name for episode in episodes for name in episode.get("progress") or {}):
        told = [episode["progress"][name] for episode in episodes if name in (episode.get("progress") or {})]
        found["progress"][name] = {}
        for end in ENDS:
            mean, interval = _mean([each[end] for each in told])
            found["progress"][name] |= {end: mean, f"{end}_interval": interval}
    return found


def returns_table(results: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Return a header and a row for each evaluation (run name -> content of results.json); nothing if none tells."""
    names = dict.fromkeys(name for result in results.values() for name in result.get("progress") or {})
    if not names and all(result.get("mean_return") is None for result in results.values()):
        return []
    rows = [["run", "return [95 %]", *(f"{name}, {end}" for name in names for end in ENDS)]]
    for run, result in results.items():
        told = [((result.get("progress") or {}).get(name) or {}, end) for name in names for end in ENDS]
        cells = [format_mean(each.get(end), each.get(f"{end}_interval")) for each, end in told]
        rows.append([run, format_mean(result.get("mean_return"), result.get("return_interval")), *cells])
    return rows


def compare_returns(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Return paired differences of two evaluations, by initial state: ``return`` and ``<measure>, largest`` or last."""
    first, second = _by_seed(a), _by_seed(b)
    shared = first.keys() & second.keys()
    names = dict.fromkeys(name for seed in sorted(shared) for name in first[seed] if name in second[seed])
    found = {}
    for name in names:
        both = [seed for seed in sorted(shared) if name in first[seed] and name in second[seed]]
        compared = compare_scores({s: first[s][name] for s in both}, {s: second[s][name] for s in both})
        assert compared is not None
        plain = asdict(compared) | {key: _finite(getattr(compared, key)) for key in ("interval", "relative_interval")}
        found[name] = {key: None if isinstance(x, float) and not math.isfinite(x) else x for key, x in plain.items()}
    return found


def format_return_difference(name: str, compared: Mapping[str, Any]) -> str:
    """Return one line on a paired difference."""
    bounds = compared["interval"]
    shown = f" [{bounds[0]:+.3g}, {bounds[1]:+.3g}]" if bounds else ""
    return f"{name} {compared['difference']:+.3g}{shown}, n = {compared['n']}"


def format_returns(result: Mapping[str, Any]) -> list[str]:
    """Return lines on the return and on each measure of one evaluation."""
    lines = []
    if result["mean_return"] is not None:
        lines.append(f"return {format_mean(result['mean_return'], result['return_interval'])}")
    for name, told in result["progress"].items():
        ends = ", ".join(f"{end} {format_mean(told[end], told[f'{end}_interval'])}" for end in ENDS)
        lines.append(f"{name}: {ends}")
    return lines


def format_mean(value: float | None, interval: Sequence[float] | None) -> str:
    """Return a mean with its interval, or a dash."""
    if value is None:
        return "-"
    return f"{value:.3g}" + (f" [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else "")


def _by_seed(results: Mapping[str, Any]) -> dict[int, dict[str, float]]:
    """Return episode seed -> measure -> value, of episodes that did not end in an error."""
    found: dict[int, dict[str, float]] = {}
    for episode in results["per_episode"]:
        if episode["outcome"] == "error":
            continue
        told = {} if episode.get("episode_return") is None else {"return": episode["episode_return"]}
        for name, ends in (episode.get("progress") or {}).items():
            told |= {f"{name}, {end}": ends[end] for end in ENDS}
        found[episode["seed"]] = told
    return found


def _mean(values: Sequence[float]) -> tuple[float | None, list[float] | None]:
    return (fmean(values), _finite(mean_interval(values))) if values else (None, None)


def _finite(interval: tuple[float, float]) -> list[float] | None:
    return list(interval) if all(map(math.isfinite, interval)) else None
