"""Runs of several tasks and training seeds, told by method: runs of one name are one method's."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.evaluation.aggregate import Estimate, interquartile_mean, probability_of_improvement
from dist2_robot.evaluation.compare import columns, format_rate
from dist2_robot.evaluation.intervals import wilson_interval
from dist2_robot.evaluation.paired import SeededComparison, SeededOutcomes, compare_seeds, outcomes_of, rate_of_seeds
from dist2_robot.evaluation.run_files import RunFiles

MEAN = "mean of tasks"


def are_methods(runs: Sequence[RunFiles]) -> bool:
    """Tell whether some runs share a name."""
    return len({run.name for run in runs}) < len(runs)


def compare_methods(runs: Sequence[RunFiles]) -> dict[str, Any]:
    """Compare methods, each with that of the first run, as plain JSON.

    A task is what was evaluated: environment and task. Of a task: pooled episodes with Wilson's interval. Of the mean:
    bootstrap of training seeds, then of episodes. Besides, of whole runs: the mean of their middle half, and how
    probably one beats a run of the first method on the same task.

    Raises:
        InputError: Two runs of one name have the same task and training seed, or a run has no success rate.
    """
    methods: dict[str, dict[str, dict[int, Mapping[int, str]]]] = {}  # name -> task -> training seed -> outcomes
    for run, task in zip(runs, _task_labels(runs), strict=True):
        if run.results.get("success_rate") is None:
            raise InputError(f"'{run.folder}' has {run.results.get('note') or 'no success rate'}")
        seed = run.config.get("seed", 0)
        seeds = methods.setdefault(run.name, {}).setdefault(task, {})
        if seed in seeds:
            raise InputError(
                f"two runs are called '{run.name}', with training seed {seed} and task {task}: train them with another "
                "name=, or compare one of them"
            )
        seeds[seed] = outcomes_of(run.results, run.name)
    baseline, *others = methods
    tasks = list(dict.fromkeys(task for method in methods.values() for task in method))
    return {
        "kind": "methods",
        "baseline": baseline,
        "tasks": tasks,
        "rows": [_row(name, method, tasks) for name, method in methods.items()],
        "differences": [_difference(baseline, methods[baseline], name, methods[name]) for name in others],
    }


def _task_labels(runs: Sequence[RunFiles]) -> list[str]:
    """Say of each run what it was evaluated on, as far as the runs differ in it: all of an environment is long."""
    told: list[dict[str, str]] = []
    for run in runs:
        environment = run.results.get("environment")
        entry = environment if isinstance(environment, Mapping) else {"id": environment}
        parts = {"id": str(entry.get("id")).rpartition("/")[2], "task": str(run.results.get("task") or "")}
        told.append(parts | {name: f"{name}={value}" for name, value in (entry.get("kwargs") or {}).items()})
    names = dict.fromkeys(name for parts in told for name in parts)
    differ = [name for name in names if len({parts.get(name) for parts in told}) > 1] or ["id", "task"]
    return [", ".join(parts[name] for name in differ if parts.get(name)) for parts in told]


def _row(name: str, method: Mapping[str, SeededOutcomes], tasks: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "runs": sum(map(len, method.values()))}
    row["tasks"] = {
        task: {"training_seeds": len(seeds), **_entry("success", *_pooled(seeds))} for task, seeds in method.items()
    }
    if set(method) == set(tasks):
        row |= _entry("mean", *rate_of_seeds(list(method.values())))
        row |= _estimate("middle_half", interquartile_mean([_rates(seeds) for seeds in method.values()]))
    return row


def _difference(
    baseline: str, first: Mapping[str, SeededOutcomes], name: str, second: Mapping[str, SeededOutcomes]
) -> dict[str, Any]:
    """Compare on the tasks of both, by training seed and initial state."""
    heading: dict[str, Any] = {"name": name, "against": baseline}
    shared = [task for task in first if task in second]
    if not shared:
        return heading | {"note": f"'{name}' and '{baseline}' were evaluated on no task in common"}
    try:
        by_task = {task: compare_seeds([(first[task], second[task])]) for task in shared}
        mean = compare_seeds([(first[task], second[task]) for task in shared])
    except ValueError as error:
        return heading | {"note": str(error)}
    beats = probability_of_improvement([_rates(second[t]) for t in shared], [_rates(first[t]) for t in shared])
    heading["tasks"] = {task: _plain(compared) for task, compared in by_task.items()}
    return heading | {"mean": _plain(mean)} | _estimate("beats", beats)


def _pooled(seeds: SeededOutcomes) -> tuple[float, tuple[float, float]]:
    outcomes = [outcome for run in seeds.values() for outcome in run.values() if outcome != "error"]
    successes = outcomes.count("success")
    return successes / len(outcomes), wilson_interval(successes, len(outcomes))


def _rates(seeds: SeededOutcomes) -> list[float]:
    return [_pooled({seed: outcomes})[0] for seed, outcomes in seeds.items()]


def _entry(name: str, value: float, interval: Sequence[float]) -> dict[str, Any]:
    return {f"{name}_rate": value, f"{name}_interval": list(interval)}


def _estimate(name: str, estimate: Estimate) -> dict[str, Any]:
    return _entry(name, estimate.value, estimate.interval)


def _plain(compared: SeededComparison) -> dict[str, Any]:
    return asdict(compared) | {"interval": list(compared.interval)}


def tables(comparison: Mapping[str, Any]) -> tuple[list[list[str]], list[list[str]]]:
    """Return what `compare_methods` found as two tables of text, rates and differences, their headers first."""
    tasks = comparison["tasks"]
    rates = [["method", "runs", f"{MEAN} [95 %]", "middle half of runs", *tasks]]
    for row in comparison["rows"]:
        of_tasks = [row["tasks"].get(task, {}) for task in tasks]
        cells = [_rate(row, "mean"), _rate(row, "middle_half"), *(_rate(of_task, "success") for of_task in of_tasks)]
        rates.append([row["name"], str(row["runs"]), *cells])
    differences = [[f"against {comparison['baseline']}", f"{MEAN} [95 %]", "beats a run of it", *tasks]]
    for entry in comparison["differences"]:
        if "note" in entry:
            differences.append([entry["name"], f"not compared: {entry['note']}", "", *("" for _ in tasks)])
            continue
        of_tasks = [_points(entry["tasks"].get(task)) for task in tasks]
        differences.append([entry["name"], _points(entry["mean"]), _rate(entry, "beats"), *of_tasks])
    return rates, differences if comparison["differences"] else []


def format_methods(comparison: Mapping[str, Any]) -> str:
    """Return what `compare_methods` found as text for a terminal."""
    rates, differences = tables(comparison)
    lines = columns(rates)
    if differences:
        lines += ["", "paired by task, training seed and initial state, in points:", *columns(differences)]
    return "\n".join(lines)


def _rate(entry: Mapping[str, Any], name: str) -> str:
    return format_rate(entry.get(f"{name}_rate"), entry.get(f"{name}_interval"))


def _points(compared: Mapping[str, Any] | None) -> str:
    if compared is None:
        return "-"
    low, high = (100 * bound for bound in compared["interval"])
    return f"{100 * compared['difference']:+.0f} [{low:+.0f}, {high:+.0f}]"
