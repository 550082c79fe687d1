"""The evaluations of one policy on several tasks, together."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from dist2_robot.evaluation.compare import format_rate
from dist2_robot.evaluation.summary import summarise

_ENTRIES = ("task", "environment", "episodes", "errors", "success_rate", "success_interval")


def summarise_tasks(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the content of one results.json for several: all episodes together, and a row for each task.

    The interval is of the episodes, as if these tasks were all there are.

    Args:
        results: Short name of a task -> its results.
    """
    episodes = [episode for result in results.values() for episode in result["per_episode"]]
    episodes = [{**episode, "index": index} for index, episode in enumerate(episodes)]
    first = next(iter(results.values()))
    settings = {key: first[key] for key in ("seed", "n_action_steps", "ensemble", "decoding")}
    rows = [{"name": name, **{entry: result[entry] for entry in _ENTRIES}} for name, result in results.items()]
    speed = {"steps_per_s": fmean(result["steps_per_s"] for result in results.values())}
    return {**summarise(episodes), **settings, **speed, "environment": None, "task": None, "per_task": rows}


def format_tasks(results: Mapping[str, Any]) -> str:
    """Return the rows as a table, and the rate of all."""
    rows = [(row["name"], row["success_rate"], row["success_interval"], row["episodes"]) for row in results["per_task"]]
    rows.append(("all", results["success_rate"], results["success_interval"], results["episodes"]))
    width = max(len(name) for name, *_ in rows)
    return "\n".join(f"{name:<{width}}  {format_rate(rate, interval)} of {n}" for name, rate, interval, n in rows)
