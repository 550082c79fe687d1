"""Several evaluations beside each other: one row a run, and each against the first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.evaluation.paired import compare_results
from dist2_robot.evaluation.returns import compare_returns, format_return_difference, returns_table

ROW_ENTRIES = (
    "episodes",
    "successes",
    "failures",
    "errors",
    "success_rate",
    "success_interval",
    "success_rate_at_end",
    "success_at_end_interval",
    "median_steps_to_success",
    "action_jerk",
    "mean_return",
    "return_interval",
    "progress",
    "rated_score",
    "rated_score_interval",
    "seed",
    "note",
)


def compare_runs(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Compare evaluations (run name -> content of results.json), each with the first, as plain JSON.

    A run without a success rate (too many errors) keeps its row and gets a note in place of a difference.

    Raises:
        InputError: There is nothing to compare, or two runs did not start from the same initial states.
    """
    if not results:
        raise InputError("nothing to compare: name at least one evaluation folder with a results.json")
    baseline, *others = results
    return {
        "kind": "comparison",
        "baseline": baseline,
        "rows": [summary_row(name, result) for name, result in results.items()],
        "differences": [_difference(results, baseline, name) for name in others],
    }


def summary_row(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of one evaluation that a table shows; what it does not have is None."""
    return {"name": name} | {entry: result.get(entry) for entry in ROW_ENTRIES}


def _difference(results: Mapping[str, Mapping[str, Any]], baseline: str, name: str) -> dict[str, Any]:
    heading = {"name": name, "against": baseline}
    for run in (baseline, name):
        if results[run].get("success_rate") is None:
            return heading | {"note": f"'{run}' has {results[run].get('note') or 'no success rate'}"}
    comparison = asdict(compare_results(results[baseline], results[name], (baseline, name)))
    returns = compare_returns(results[baseline], results[name])
    return heading | comparison | {"interval": list(comparison["interval"]), "returns": returns}


def format_table(comparison: Mapping[str, Any]) -> str:
    """Return what `compare_runs` found as text for a terminal."""
    rows = [
        [
            row["name"],
            format_rate(row["success_rate"], row["success_interval"]),
            format_rate(row["success_rate_at_end"], row["success_at_end_interval"]),
            format_number(row["median_steps_to_success"]),
            format_number(row["action_jerk"]),
            f"{row['errors']} of {row['episodes']}",
        ]
        for row in comparison["rows"]
    ]
    lines = columns([["run", "success [95 %]", "at end [95 %]", "steps to success", "jerk", "errors"], *rows])
    if returns := returns_table({row["name"]: row for row in comparison["rows"]}):
        lines += ["", *columns(returns)]
    rated = [row for row in comparison["rows"] if row["rated_score"] is not None]
    lines += [f"{row['name']}: rated {format_score(row['rated_score'], row['rated_score_interval'])}" for row in rated]
    lines += [f"{row['name']}: {row['note']}" for row in comparison["rows"] if row["note"]]
    if comparison["differences"]:
        lines += ["", f"against {comparison['baseline']}, paired by initial state:"]
        lines += columns([[f"  {entry['name']}", format_difference(entry)] for entry in comparison["differences"]])
        lines += [
            f"  {entry['name']}  {format_return_difference(name, compared)}"
            for entry in comparison["differences"]
            for name, compared in entry.get("returns", {}).items()
        ]
    return "\n".join(lines)


def format_difference(entry: Mapping[str, Any]) -> str:
    """Return one line on a paired difference, in percentage points."""
    if "note" in entry:
        return f"not compared: {entry['note']}"
    low, high = (100 * bound for bound in entry["interval"])
    return (
        f"{100 * entry['difference']:+.1f} points [{low:+.1f}, {high:+.1f}], p {format_p(entry['mcnemar_p'])}, "
        f"n = {entry['n']} (only here {entry['only_b']}, only there {entry['only_a']})"
    )


def format_rate(rate: float | None, interval: Sequence[float] | None) -> str:
    """Return a rate in percent with its interval, or a dash."""
    if rate is None or interval is None:
        return "-"
    return f"{100 * rate:.1f} % [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def format_score(score: float, interval: Sequence[float]) -> str:
    """Return a mean rated score, of 20 points, with its interval."""
    return f"{score:.1f} of 20 [{interval[0]:.1f}, {interval[1]:.1f}]"


def format_number(value: float | None) -> str:
    """Return a number with three digits that matter, or a dash."""
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def format_p(p: float) -> str:
    """Return a p value with its sign; below 0.001 its exact size tells nothing."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose columns are as wide as they must be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
