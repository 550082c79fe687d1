"""How the methods of a stage stand: rates by task and on the mean, and paired differences from a reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from dist2_robot.evaluation.intervals import wilson_interval
from dist2_robot.evaluation.paired import SeededComparison, compare_seeds, rate_of_seeds
from dist2_robot.studies.method import NO_DECODING, Method, method_of
from dist2_robot.studies.results import outcomes_by_seed
from dist2_robot.studies.study import Row


@dataclass(frozen=True)
class Rate:
    """A success rate with its 95 % interval."""

    success: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Standing:
    """A method with one decoding.

    Attributes:
        method: Head, loss, variant.
        decoding: Rule.
        rows: Task -> its rows, one a training seed; only of tasks on which every training seed has a rate.
        tasks: Task -> rate of the episodes of all training seeds, with Wilson's interval.
        mean: Mean over tasks, with a bootstrap interval (training seeds, then episodes); None where a task is missing.
        action_error: Held out, in tolerances; mean over tasks.
    """

    method: Method
    decoding: str
    rows: dict[str, list[Row]]
    tasks: dict[str, Rate]
    mean: Rate | None
    action_error: float

    @property
    def scores(self) -> list[list[float]] | None:
        """Success rates of the training seeds, one list a task; None where a task is missing."""
        if self.mean is None:
            return None
        return [[row["success"] for row in rows] for rows in self.rows.values()]

    @property
    def label(self) -> str:
        """What tables call it."""
        return self.method.label if self.decoding == NO_DECODING else f"{self.method.label}, {self.decoding}"

    @property
    def merit(self) -> tuple[float, float, str, str]:
        """What sorting by puts the best first, and what lacks a task last."""
        success = self.mean.success if self.mean else -1.0
        return -success, self.action_error, self.method.name, self.decoding


def standings(rows: Sequence[Row], *, best_decoding_only: bool = False) -> list[Standing]:
    """Return every method and decoding of the rows of one stage, the best first."""
    tasks = tasks_of(rows)
    groups: dict[tuple[Method, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((method_of(row), row["decoding"]), []).append(row)
    found = sorted((_stand(*key, group, tasks) for key, group in groups.items()), key=lambda each: each.merit)
    if not best_decoding_only:
        return found
    best: dict[Method, Standing] = {}
    for standing in found:
        best.setdefault(standing.method, standing)
    return list(best.values())


def tasks_of(rows: Sequence[Row]) -> list[str]:
    """Return the tasks that occur, in the order in which they do."""
    return list(dict.fromkeys(row["task"] for row in rows))


def difference(reference: Standing, standing: Standing, tasks: Sequence[str]) -> SeededComparison | None:
    """Compare with a reference on the mean of some tasks; None where one of them was not run alike."""
    pairs = []
    for task in tasks:
        if task not in reference.rows or task not in standing.rows:
            return None
        if _starts(reference.rows[task]) != _starts(standing.rows[task]):
            return None
        pairs.append((outcomes_by_seed(reference.rows[task]), outcomes_by_seed(standing.rows[task])))
    return compare_seeds(pairs)


def _stand(method: Method, decoding: str, rows: Sequence[Row], tasks: Sequence[str]) -> Standing:
    by_task = {task: [row for row in rows if row["task"] == task] for task in tasks}
    whole = {task: of_task for task, of_task in by_task.items() if of_task and None not in _rates(of_task)}
    mean = (
        rate_of_seeds([outcomes_by_seed(of_task) for of_task in whole.values()]) if len(whole) == len(tasks) else None
    )
    return Standing(
        method,
        decoding,
        whole,
        {task: _pooled(of_task) for task, of_task in whole.items()},
        Rate(*mean) if mean else None,
        fmean(fmean(row["action_error"] for row in of_task) for of_task in by_task.values() if of_task),
    )


def _pooled(rows: Sequence[Row]) -> Rate:
    outcomes = "".join(row["outcomes"] for row in rows)
    successes, valid = outcomes.count("S"), len(outcomes) - outcomes.count("E")
    return Rate(successes / valid, wilson_interval(successes, valid))


def _rates(rows: Sequence[Row]) -> list[float | None]:
    return [row["success"] for row in rows]


def _starts(rows: Sequence[Row]) -> set[tuple[int, int, int]]:
    """What must be equal for episodes to be paired: training seeds, and the initial states of each."""
    return {(row["seed"], row["evaluation_seed"], len(row["outcomes"])) for row in rows}
