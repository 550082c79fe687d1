"""Success against one thing about an evaluation that was changed, each point compared with the first of its curve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dist2_robot.evaluation.compare import columns, format_rate
from dist2_robot.evaluation.paired import PairedComparison, compare_results


@dataclass(frozen=True)
class SweepPoint:
    """Attributes: over: What was changed. value: To what."""

    over: str
    value: float | str

    def __str__(self) -> str:
        return f"{self.over}={self.value}"


@dataclass(frozen=True)
class SweepRow:
    """Attributes:
    run: Whose success.
    point: What was changed.
    rate: Share of successes; None where too many episodes ended in an error.
    interval: Wilson's, 95 %.
    change: From the first point of the same run and thing, on the same initial states; None at the first.
    """

    run: str
    point: SweepPoint
    rate: float | None
    interval: tuple[float, float] | None
    change: PairedComparison | None


def summarise_sweep(rows: Sequence[Mapping[str, Any]]) -> list[SweepRow]:
    """Return what evaluations (content of results.json, with ``run``, ``over`` and ``value``) say, in their order."""
    first: dict[tuple[str, str], Mapping[str, Any]] = {}
    found = []
    for row in rows:
        start = first.setdefault((row["run"], row["over"]), row)
        rate, interval = row["success_rate"], row["success_interval"]
        is_comparable = start is not row and rate is not None and start["success_rate"] is not None
        alike = {**row, "environment": start["environment"]}  # that it is perturbed is what is compared
        change = compare_results(start, alike) if is_comparable else None
        point = SweepPoint(row["over"], row["value"])
        found.append(SweepRow(row["run"], point, rate, interval and (interval[0], interval[1]), change))
    return found


def format_sweep(rows: Sequence[SweepRow]) -> str:
    """Return a table for a terminal."""
    table = [["run", "what", "success [95 %]", "change, paired [95 %]"]]
    for row in rows:
        change = ""
        if row.change is not None:
            low, high = (100 * bound for bound in row.change.interval)
            change = f"{100 * row.change.difference:+.0f} points [{low:+.0f}, {high:+.0f}]"
        table.append([row.run, str(row.point), format_rate(row.rate, row.interval), change])
    return "\n".join(columns(table))
