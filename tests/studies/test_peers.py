"""The study against other people's policies: what it asks for, and what it shows."""

from dataclasses import asdict

import pytest

from dist2_robot.errors import InputError
from dist2_robot.studies.curve_table import curve_tables
from dist2_robot.studies.effort import Effort, Lessons, places
from dist2_robot.studies.method import Method
from dist2_robot.studies.page import write_page
from dist2_robot.studies.peers import best_rates, peers
from dist2_robot.studies.results import StudyResults
from tests.studies.synthetic_rows import make_row

KNOWN = {"head": ["free"], "loss": ["cross_entropy"], "policy": ["token", "act", "diffusion", "regression"]}
TASKS = ["tune", "push", "pick"]
LESSONS = Lessons(places(TASKS, TASKS), demonstrations=10, collected=30, options=["policy.width=8"])
ENTRIES = [{}, {"head": "free", "loss": "cross_entropy"}, {"head": "act"}, {"head": "diffusion", "tasks": ["pick"]}]
METHODS = [Method(), Method("free", "cross_entropy"), Method("act"), Method("diffusion")]


def study(**changes):
    settings = {"numbers": [5, 20], "methods": ENTRIES, "learning_rates": [1e-3, 3e-3], "learning_rate_task": "tune"}
    efforts = {"screen": Effort([0], 100, 4, None, 40), "final": Effort([1, 2], 100, 4, None, 50)}
    return peers(KNOWN, LESSONS, **(settings | efforts | changes))


def rate_rows():
    """The higher rate is the better one for all but the first method."""
    return [
        make_row(Method(m.head, m.loss, f"trainer.learning_rate={rate}"), "tune", success, stage="learning_rates")
        for i, m in enumerate(METHODS)
        for rate, success in (("0.001", 0.5), ("0.003", 0.9 if i else 0.1))
    ]


def final_rows(methods=METHODS[:3], numbers=(5, 20)):
    costs = {"chunk_ms": 2.0, "training_cpu_s": 30.0, "parameters": 120_000}
    return [
        make_row(method, task, 0.2 + 0.02 * number + 0.1 * i, seed=seed, stage="final")
        | costs
        | {"demonstrations": number}
        for i, method in enumerate(methods)
        for number in numbers
        for task in TASKS[1:]
        for seed in (1, 2)
    ]


def results(rows):
    stages = [{"name": name, "about": "Fake.", "jobs": 9, "done": 9} for name in ("learning_rates", "final")]
    return StudyResults("peers", stages, [asdict(m) for m in METHODS[1:]], [asdict(METHODS[0])], rows)


def test_every_method_tries_every_rate_on_the_task_that_is_left_out():
    jobs = study().stages[0].jobs([])
    assert {job.task for job in jobs} == {"tune"}
    assert len(jobs) == len({job.name for job in jobs}) == len(METHODS) * 2
    assert "policy=act" in next(job for job in jobs if job.method.head == "act").train_options
    assert sum("trainer.learning_rate=0.003" in job.train_options for job in jobs) == len(METHODS)


def test_the_benchmark_takes_each_methods_own_best_rate():
    jobs = study().stages[1].jobs(rate_rows())
    used = {job.method: next(x for x in job.train_options if x.startswith("trainer.learning_rate")) for job in jobs}
    assert used == {m: f"trainer.learning_rate={'0.003' if i else '0.001'}" for i, m in enumerate(METHODS)}
    assert best_rates(rate_rows())[METHODS[0]] == "0.001"


def test_the_benchmark_is_all_tasks_but_one_with_all_numbers_task_by_task():
    jobs = study().stages[1].jobs(rate_rows())
    assert [job.task for job in jobs] == sorted((job.task for job in jobs), key=TASKS.index)
    assert len(jobs) == len({job.name for job in jobs}) == (3 * 2 + 1) * 2 * 2
    assert {job.task for job in jobs if job.method.head == "diffusion"} == {"pick"}
    assert {job.task for job in jobs} == {"push", "pick"}
    assert all(f"dataset.episodes={job.demonstrations}" in job.train_options for job in jobs)
    assert {job.demonstrations for job in jobs} == {5, 20}
    assert all(job.decodings == ("default",) for job in jobs)


def test_the_number_of_demonstrations_is_part_of_what_a_job_is():
    first, *_, last = study().stages[1].jobs(rate_rows())
    assert (first.describe()["demonstrations"], last.describe()["demonstrations"]) == (5, 20)
    assert "demonstrations" not in study().stages[0].jobs([])[0].describe()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learning_rate_task": "tunes"}, "learning_rate_task"),
        ({"methods": [{}]}, "two different"),
        ({"numbers": []}, "numbers"),
        ({"methods": [{}, {"head": "acts"}]}, "Did you mean 'act'"),
    ],
)
def test_what_makes_no_study_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        study(**changes)


def test_the_tables_show_each_number_of_demonstrations():
    found = {table.title: table for table in curve_tables(results([*rate_rows(), *final_rows()]))}
    means = found["final: 9 of 9 jobs"]
    assert list(means.header) == ["method", "5 demonstrations", "20 demonstrations"]
    assert [row[0] for row in means.rows] == ["default, mean", "free cross_entropy, mean", "act, mean"]
    assert [cell.split()[0] for cell in means.rows[0][1:]] == ["30", "60"]
    assert found["What they cost"].rows[0] == ["default", "0.12 M", "30 s", "2.0 ms"]
    less = found["20 demonstrations: default less the others"]
    assert [row[1].split()[0] for row in less.rows] == ["-10", "-20"]
    assert [row[1].split()[0] for row in found["How often default beats"].rows] == ["0", "0"]
    assert any(title.startswith("learning_rates") for title in found)


def test_a_method_that_lacks_a_task_has_no_mean_and_hides_no_other():
    rows = final_rows() + [row for row in final_rows([METHODS[3]]) if row["task"] == "pick"]
    means = next(table for table in curve_tables(results(rows)) if table.title.startswith("final"))
    assert means.rows[-1] == ["diffusion, mean", "-", "-"]
    assert "-" not in means.rows[0]


def test_the_page_is_drawn_from_the_rows(tmp_path):
    text = write_page(results(final_rows()), tmp_path)
    assert "What they cost" in text
    assert (tmp_path / "results.png").stat().st_size > 1000
    assert "| method |" in (tmp_path / "table.md").read_text()
