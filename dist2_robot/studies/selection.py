"""Which methods a first stage recommends. The rule is fixed here, before anything is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from dist2_robot.studies.method import Method, method_of
from dist2_robot.studies.study import Row

RULE = (
    "Selected by the mean over tasks of the success rate with the best decoding, the same one on all tasks; ties go to "
    "the smaller held-out action error. Methods that lack a task are left out."
)


@dataclass(frozen=True)
class Candidate:
    """A method with one decoding: what it reached, as means over tasks and seeds."""

    method: Method
    decoding: str
    success: float
    action_error: float

    @property
    def merit(self) -> tuple[float, float, str, str]:
        """What sorting by puts the best first; the names make an order of equals."""
        return -self.success, self.action_error, self.method.name, self.decoding


def rank(rows: Sequence[Row]) -> list[Candidate]:
    """Return every method of some rows with its best decoding, the best method first, by `RULE`."""
    best: dict[Method, Candidate] = {}
    for candidate in candidates(rows):
        if candidate.method not in best or candidate.merit < best[candidate.method].merit:
            best[candidate.method] = candidate
    return sorted(best.values(), key=lambda candidate: candidate.merit)


def candidates(rows: Sequence[Row]) -> list[Candidate]:
    """Return every method and decoding that has a success rate on all tasks that occur in the rows."""
    tasks = {row["task"] for row in rows}
    groups: dict[tuple[Method, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((method_of(row), row["decoding"]), []).append(row)
    return [
        Candidate(method, decoding, _mean_over_tasks(group, "success"), _mean_over_tasks(group, "action_error"))
        for (method, decoding), group in groups.items()
        if {row["task"] for row in group} == tasks and all(row["success"] is not None for row in group)
    ]


def _mean_over_tasks(rows: Sequence[Row], entry: str) -> float:
    by_task: dict[str, list[float]] = {}
    for row in rows:
        by_task.setdefault(row["task"], []).append(row[entry])
    return fmean(fmean(values) for values in by_task.values())
