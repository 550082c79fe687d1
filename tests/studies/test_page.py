"""Tables and picture say what the rows say, and are drawn from results.json alone."""

import json
from dataclasses import asdict, replace

import pytest

from dist2_robot.evaluation.intervals import wilson_interval
from dist2_robot.studies.method import Method
from dist2_robot.studies.page import write_page
from dist2_robot.studies.results import StudyResults, read_results
from dist2_robot.studies.table import as_markdown, as_text, tables
from tests.studies.synthetic_rows import TASKS, A, B, make_row, rows_by_task

L1 = Method("regression", "l1")
WIDE = Method("mixture", "dist2_energy", "loss.terms.energy.weight=3")


def final(method, *rates, decoding="mean", seeds=(1, 2, 3)):
    return [row for seed in seeds for row in rows_by_task(method, *rates, seed=seed, decoding=decoding, stage="final")]


@pytest.fixture
def results():
    rows = [*rows_by_task(A, 0.3, 0.5), *rows_by_task(A, 0.5, 0.5, decoding="argmax"), make_row(B, "push", 0.9)]
    rows += [*rows_by_task(WIDE, 0.8, 0.9), *rows_by_task(L1, 0.6, 0.2, decoding="none")]
    rows += [*final(WIDE, 0.9, 0.9), *final(L1, 0.8, 0.1, decoding="none"), *final(A, 0.5, 0.6, decoding="argmax")]
    stages = [{"name": "screen", "about": "Short.", "jobs": 8, "done": 7}]
    stages += [{"name": "final", "about": "Long.", "jobs": 18, "done": 18}]
    failed = [{"job": "screen/choice/free-b-seed0", "error": "the floor | is gone"}]
    return StudyResults("fake", stages, [asdict(L1), asdict(A)], [], rows, failed)


def table(results, title):
    return next(table for table in tables(results) if table.title.startswith(title))


def test_rates_are_pooled_over_seeds_with_wilsons_interval(results):
    rows = table(results, "final: 18 of 18 jobs").rows
    assert [row[:4] for row in rows] == [
        ["mixture", "dist2_energy", "energy.weight=3", "mean"],
        ["free", "a", "", "argmax"],
        ["regression", "l1", "", "none"],
    ]
    low, high = (f"{100 * bound:.0f}" for bound in wilson_interval(54, 60))
    assert rows[0][5:7] == [f"90 [{low}, {high}]"] * 2
    assert [row[4].split()[0] for row in rows] == ["90", "55", "45"]
    assert table(results, "final").header[4:] == ["mean", *TASKS, "error"]


def test_a_screen_shows_the_best_decoding_and_puts_what_lacks_a_task_last(results):
    rows = table(results, "screen: 7 of 8 jobs").rows
    assert [(row[1], row[3]) for row in rows] == [
        *[("dist2_energy", "mean"), ("a", "argmax"), ("l1", "none"), ("b", "mean")],
    ]
    assert rows[-1][4] == rows[-1][6] == "-"


def test_differences_are_those_of_the_rates_and_one_way(results):
    to_l1, to_a = (table(results, f"Difference to {name}").rows for name in ("regression l1", "free a, argmax"))
    assert [row[0] for row in to_l1] == ["mixture dist2_energy energy.weight=3, mean", "free a, argmax"]
    assert [cell.split()[0] for cell in to_l1[0][1:]] == ["+45", "+10", "+80"]
    assert [cell.split()[0] for cell in to_l1[1][1:]] == ["+10", "-30", "+50"]
    assert to_l1[0][3].endswith("*")
    assert [cell.split()[0] for cell in to_a[1][1:]] == ["-10", "+30", "-50"]


def test_whole_runs_are_told_by_their_middle_half_and_by_how_often_they_beat_a_reference(results):
    found = table(results, "Whole training runs")
    assert found.header == ["method", "middle half", "beats free a, argmax", "beats regression l1"]
    best, a, l1 = found.rows
    assert best[1].split()[0] == "90"
    assert [cell.split()[0] for cell in best[2:]] == ["100", "100"]
    assert a[2] == l1[3] == "-"
    assert int(a[3].split()[0]) + int(l1[2].split()[0]) == 100


def test_only_the_subjects_are_compared_where_there_are_some(results):
    few = replace(results, subjects=[asdict(WIDE)])
    assert [row[0] for row in table(few, "Difference to regression l1").rows] == [
        "mixture dist2_energy energy.weight=3, mean"
    ]


def test_what_did_not_begin_alike_is_not_compared(results):
    def elsewhere(row):
        return row | {"evaluation_seed": 5} if row["loss"] == "l1" and row["task"] == "push" else row

    rows = table(replace(results, rows=[elsewhere(row) for row in results.rows]), "Difference to regression l1").rows
    assert rows[0][1:3] == ["-", "-"]
    assert rows[0][3].split()[0] == "+80"


def test_the_page_is_drawn_from_the_results_file_alone(results, tmp_path):
    results.write(tmp_path)
    text = write_page(read_results(tmp_path), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", "table.md", "table.txt", "results.png"}
    assert (tmp_path / "table.txt").read_text() == text
    assert read_results(tmp_path) == StudyResults(**json.loads(json.dumps(asdict(results))))
    markdown = (tmp_path / "table.md").read_text()
    assert "| screen/choice/free-b-seed0 | the floor \\| is gone | failed |" in markdown
    assert len({line.count(" | ") for line in markdown.splitlines() if line.startswith("| ") and "energy" in line}) == 2
    assert max(map(len, text.splitlines())) <= 160


@pytest.mark.parametrize("stage", ["screen", "final", "none"])
def test_a_page_of_a_part_is_drawn_too(results, tmp_path, stage):
    part = replace(results, rows=[row for row in results.rows if row["stage"] == stage])
    write_page(part, tmp_path)
    assert (tmp_path / "results.png").exists() == (stage != "none")


def test_both_formats_hold_the_same_cells(results):
    found = tables(results)
    markdown, text = as_markdown("fake", found), as_text("fake", found)
    for each in found:
        for row in each.rows:
            assert all(cell in text and cell.replace("|", "\\|") in markdown for cell in row)
