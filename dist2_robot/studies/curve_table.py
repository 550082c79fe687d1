"""The tables of a study that varies the number of demonstrations, from its results alone."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from dist2_robot.evaluation.aggregate import interquartile_mean, probability_of_improvement
from dist2_robot.studies.method import Method, method_of
from dist2_robot.studies.results import StudyResults
from dist2_robot.studies.standing import Standing, difference, standings, tasks_of
from dist2_robot.studies.study import Row
from dist2_robot.studies.table import (
    DIFFERENCES,
    INTERVALS,
    NOTHING,
    Table,
    format_difference,
    format_rate,
    rates_table,
    tables,
)

HALF = (
    "Mean success of all training runs without the lowest and the highest quarter, in percent [95 %, bootstrap of the "
    "training seeds of each task]."
)
BEATS = (
    "How probably one of its runs is better than one of theirs, on a task drawn at random; equal ones count half. In "
    "percent [95 %, bootstrap of the training seeds of each task]."
)
COSTS = "Medians over the runs of the benchmark, in time of one processor core, whatever else the machine did."


def varies_demonstrations(results: StudyResults) -> bool:
    """Tell whether a study has results for numbers of demonstrations."""
    return any(row.get("demonstrations") for row in results.rows)


def curves(results: StudyResults) -> dict[int, list[Standing]]:
    """Return number of demonstrations -> the methods of the last stage, in the order in which they were named."""
    rows = _last(results)
    named = list(dict.fromkeys(method_of(row) for row in rows))
    numbers = sorted({row["demonstrations"] for row in rows})
    return {
        number: sorted(
            standings([row for row in rows if row["demonstrations"] == number]),
            key=lambda standing: named.index(standing.method),
        )
        for number in numbers
    }


def curve_tables(results: StudyResults) -> list[Table]:
    """Return success against demonstrations, costs, then each number of demonstrations, then the stages before."""
    found, stage, by_number = [], results.stages[-1], curves(results)
    subjects = [method_of(entry) for entry in results.subjects]
    title = f"{stage['name']}: {stage['done']} of {stage['jobs']} jobs"
    found.append(_means(title, f"{stage['about']} {INTERVALS}", by_number))
    found.append(_halves(by_number))
    found += [_beats(by_number, subject) for subject in subjects]
    found.append(_costs(_last(results)))
    for number, shown in by_number.items():
        tasks = tasks_of([row for row in _last(results) if row["demonstrations"] == number])
        found.append(rates_table(f"{number} demonstrations", "", shown, tasks))
        found += [_less(f"{number} demonstrations", shown, subject, tasks) for subject in subjects]
    before = [row for row in results.rows if not row.get("demonstrations")]
    return [table for table in found if table.rows] + tables(replace(results, rows=before))


def _last(results: StudyResults) -> list[Row]:
    return [row for row in results.rows if row.get("demonstrations")]


def _labels(by_number: dict[int, list[Standing]]) -> list[str]:
    return list(dict.fromkeys(standing.label for shown in by_number.values() for standing in shown))


def _means(title: str, text: str, by_number: dict[int, list[Standing]]) -> Table:
    cells = {(number, each.label): format_rate(each.mean) for number, shown in by_number.items() for each in shown}
    return _by_number(title, text, by_number, cells)


def _halves(by_number: dict[int, list[Standing]]) -> Table:
    cells = {
        (number, each.label): format_rate(interquartile_mean(each.scores))
        for number, shown in by_number.items()
        for each in shown
        if each.scores is not None
    }
    return _by_number("Middle half of the training runs", HALF, by_number, cells)


def _beats(by_number: dict[int, list[Standing]], subject: Method) -> Table:
    cells = {}
    for number, shown in by_number.items():
        scores = next((each.scores for each in shown if each.method == subject), None)
        for each in shown:
            if scores is not None and each.scores is not None and each.method != subject:
                cells[number, each.label] = format_rate(probability_of_improvement(scores, each.scores))
    return _by_number(f"How often {subject.label} beats", BEATS, by_number, cells, only_filled=True)


def _by_number(
    title: str,
    text: str,
    by_number: dict[int, list[Standing]],
    cells: dict[tuple[int, str], str],
    only_filled: bool = False,
) -> Table:
    """Return a table of methods by numbers of demonstrations."""
    labels = [label for label in _labels(by_number) if not only_filled or any((n, label) in cells for n in by_number)]
    rows = [[label, *(cells.get((number, label), NOTHING) for number in by_number)] for label in labels]
    return Table(title, text, ["method", *(f"{number} demonstrations" for number in by_number)], rows)


def _costs(rows: Sequence[Row]) -> Table:
    """Return what each method costs; of methods with several decodings one row."""
    named = list(dict.fromkeys(method_of(row) for row in rows))
    found = []
    for method in named:
        own = [row for row in rows if method_of(row) == method]
        found.append([
            method.label,
            f"{_median(own, 'parameters') / 1e6:.2f} M",
            f"{_median(own, 'training_cpu_s'):.0f} s",
            f"{_median(own, 'chunk_ms'):.1f} ms",
        ])  # fmt: skip
    return Table("What they cost", COSTS, ["method", "parameters", "training", "one chunk"], found)


def _median(rows: Sequence[Row], entry: str) -> float:
    values = [row[entry] for row in rows if row.get(entry) is not None]
    return median(values) if values else float("nan")


def _less(title: str, shown: Sequence[Standing], subject: Method, tasks: Sequence[str]) -> Table:
    """Return the differences of one method from each other one."""
    subjects = [standing for standing in shown if standing.method == subject]
    parts = [list(tasks), *([task] for task in tasks)]
    rows = [
        [other.label, *(format_difference(difference(other, own, part)) for part in parts)]
        for own in subjects[:1]
        for other in shown
        if other.method != subject
    ]
    return Table(f"{title}: {subject.label} less the others", DIFFERENCES, ["method", "mean", *tasks], rows)
