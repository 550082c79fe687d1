"""The tables of a study, in Markdown and as plain text, from its results alone."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dist2_robot.evaluation.aggregate import Estimate, interquartile_mean, probability_of_improvement
from dist2_robot.evaluation.paired import SeededComparison
from dist2_robot.studies.method import Method, method_of
from dist2_robot.studies.results import StudyResults
from dist2_robot.studies.standing import Rate, Standing, difference, standings, tasks_of

NOTHING = "-"
TEXT_WIDTH = 120
INTERVALS = (
    "Success in percent [95 %]. Of a task: Wilson's interval of the episodes of all training seeds together. Of the "
    "mean: bootstrap of training seeds, then of the episodes of each, which has no width where all end alike. Error: "
    "held-out action error, in tolerances."
)
DIFFERENCES = (
    "Percentage points [95 %], paired by training seed and initial state, bootstrap of training seeds, then of the "
    "episodes of each. *: zero is outside. With three training seeds such intervals are a little too narrow."
)
RUNS = (
    "In percent [95 %, bootstrap of the training seeds of each task]. Middle half: mean success of all runs without "
    "the lowest and the highest quarter. Beats: how probably a run is better than one of that method, on a task drawn "
    "at random; equal ones count half."
)


@dataclass(frozen=True)
class Table:
    """A title, a text, a header, rows of cells."""

    title: str
    text: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(results: StudyResults) -> list[Table]:
    """Return the tables of all stages, the last stage first: rates, then differences, then what failed."""
    found = []
    last = results.stages[-1]["name"]
    for stage in reversed(results.stages):
        rows = [row for row in results.rows if row["stage"] == stage["name"]]
        title = f"{stage['name']}: {stage['done']} of {stage['jobs']} jobs"
        shown = standings(rows, best_decoding_only=stage["name"] != last)
        if not rows:
            continue
        tasks = tasks_of(rows)
        found.append(rates_table(title, f"{stage['about']} {INTERVALS}", shown, tasks))
        if stage["name"] == last:
            found += _differences(results, shown, tasks)
            found += _of_whole_runs(results, shown)
    unfinished = [(entry["job"], entry["error"], "failed") for entry in results.failed]
    unfinished += [(entry["job"], entry["error"], "refused") for entry in results.refused]
    if unfinished:
        found.append(Table("Without results", "", ["job", "what was said", ""], unfinished))
    return found


def rates_table(title: str, text: str, shown: Sequence[Standing], tasks: Sequence[str]) -> Table:
    """Return the table of success rates by task, and of the action error."""
    header = ["head", "loss", "variant", "decoding", "mean", *tasks, "error"]
    rows = [
        [
            *(standing.method.head, standing.method.loss, standing.method.short_variant, standing.decoding),
            format_rate(standing.mean),
            *(format_rate(standing.tasks.get(task)) for task in tasks),
            f"{standing.action_error:.2f}",
        ]
        for standing in shown
    ]
    return Table(title, text, header, rows)


def _differences(results: StudyResults, shown: Sequence[Standing], tasks: Sequence[str]) -> list[Table]:
    """Return one table a reference, or a single one where only one method is compared."""
    references = [standing for standing in shown if standing.method in _methods(results.references)]
    subjects = [standing for standing in shown if standing.method in _methods(results.subjects)] or list(shown)
    found = []
    for reference in references:
        rows = [
            [standing.label, *(format_difference(difference(reference, standing, part)) for part in _parts(tasks))]
            for standing in subjects
            if standing is not reference
        ]
        header = ["method", "mean", *tasks]
        found.append(Table(f"Difference to {reference.label}", DIFFERENCES, header, rows))
    return [table for table in found if table.rows]


def _of_whole_runs(results: StudyResults, shown: Sequence[Standing]) -> list[Table]:
    """Return one table on the success rates of training runs, of methods that have them on all tasks; or none."""
    whole = [(standing, standing.scores) for standing in shown if standing.scores is not None]
    references = [(each, scores) for each, scores in whole if each.method in _methods(results.references)]
    if not references:
        return []
    rows = [
        [
            standing.label,
            format_rate(interquartile_mean(scores)),
            *(
                NOTHING if other is standing else format_rate(probability_of_improvement(scores, others))
                for other, others in references
            ),
        ]
        for standing, scores in whole
    ]
    header = ["method", "middle half", *(f"beats {reference.label}" for reference, _ in references)]
    return [Table("Whole training runs", RUNS, header, rows)]


def _parts(tasks: Sequence[str]) -> list[list[str]]:
    return [list(tasks), *([task] for task in tasks)]


def _methods(entries: Sequence[Mapping[str, str]]) -> list[Method]:
    return [method_of(entry) for entry in entries]


def format_rate(rate: Rate | Estimate | None) -> str:
    """Return a rate in percent with its interval."""
    if rate is None:
        return NOTHING
    low, high = rate.interval
    value = rate.success if isinstance(rate, Rate) else rate.value
    return f"{100 * value:.0f} [{100 * low:.0f}, {100 * high:.0f}]"


def format_difference(comparison: SeededComparison | None) -> str:
    """Return a difference in percentage points with its interval, and a star where zero is outside."""
    if comparison is None:
        return NOTHING
    low, high = comparison.interval
    star = " *" if low > 0 or high < 0 else ""
    return f"{100 * comparison.difference:+.0f} [{100 * low:+.0f}, {100 * high:+.0f}]{star}"


def as_markdown(name: str, found: Sequence[Table]) -> str:
    """Return tables for a page of documentation."""
    lines = [f"# {name}", ""]
    for table in found:
        lines += [f"## {table.title}", "", *([table.text, ""] if table.text else [])]
        lines += [_markdown_row(table.header), _markdown_row(["---"] * len(table.header))]
        lines += [*map(_markdown_row, table.rows), ""]
    return "\n".join(lines)


def as_text(name: str, found: Sequence[Table]) -> str:
    """Return tables for a terminal."""
    lines = [name, ""]
    for table in found:
        cells = [table.header, *table.rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += [table.title, *textwrap.wrap(table.text, TEXT_WIDTH)]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        lines.append("")
    return "\n".join(lines)


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
