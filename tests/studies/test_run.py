"""Jobs are done once, whatever happens to others, and results do not depend on who did them when."""

import json
import multiprocessing
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from dist2_robot.errors import InputError
from dist2_robot.studies.results import RESULTS_FILE, read_results
from dist2_robot.studies.run import run_study, share
from dist2_robot.studies.study import Stage, Study
from tests.studies.fake_work import TASKS, make_job, record, refuse_to_record, work

LOSSES = ("fine", "also_fine", "good")


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    assert not multiprocessing.active_children()


def study_of(*stages):
    """Return a study of stages that are given as functions of rows, or as lists of jobs."""
    made = [jobs if callable(jobs) else (lambda _, jobs=jobs: jobs) for jobs in stages]
    return Study("fake", tuple(Stage(f"stage{i}", "About it.", jobs) for i, jobs in enumerate(made)), ())


def grid(stage="stage0", losses=LOSSES, **changes):
    return [make_job(loss, stage=stage, task=task, **changes) for loss in losses for task in TASKS]


def run(study, output, **changes):
    return run_study(study, output, **({"collect": record, "execute": work, "workers": 2} | changes))


def done(output):
    path = output / "done.txt"
    names = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(names)


def test_a_study_is_done_once_and_what_is_lost_is_done_again(tmp_path):
    study = study_of(grid())
    first = run(study, tmp_path)
    collected = [f"collect/{task}" for task in TASKS]
    assert done(tmp_path) == sorted([*collected, *(job.name for job in grid())])
    assert len(first.rows) == 2 * len(grid())  # two decodings
    again = run(study, tmp_path)
    assert done(tmp_path) == []
    assert again == first == read_results(tmp_path)
    (tmp_path / grid()[1].name / "job.json").unlink()
    assert run(study, tmp_path) == first
    assert done(tmp_path) == [grid()[1].name]


def test_results_depend_neither_on_workers_nor_on_the_order_of_jobs(tmp_path):
    jobs = grid()
    straight = run(study_of(jobs), tmp_path / "a", workers=1)
    shuffled = random.Random(1).sample(jobs, len(jobs))
    crossed = run(study_of(shuffled), tmp_path / "b", workers=3)
    key = repr
    assert sorted(straight.rows, key=key) == sorted(crossed.rows, key=key)


def test_a_failure_is_told_in_a_line_and_tried_again_and_stops_nobody(tmp_path):
    jobs = [make_job(loss, stage="stage0") for loss in ("raises", "dies", "fine", "dies_not", "refuses")]
    jobs.append(make_job("refuses", stage="stage0", seed=1, may_be_refused=True))
    results = run(study_of(jobs, [make_job(stage="stage1")]), tmp_path)
    assert {row["loss"] for row in results.rows} == {"fine", "dies_not"}
    assert {row["stage"] for row in results.rows} == {"stage0", "stage1"}  # failed jobs hold up no stage
    told = {entry["job"]: entry["error"] for entry in results.failed}
    assert told.pop(jobs[0].name) == "RuntimeError: the floor is gone"
    assert told.pop(jobs[1].name).startswith("the worker died (exit code 7)")
    assert told == {jobs[4].name: "this head does not go with that loss"}
    assert [entry["job"] for entry in results.refused] == [jobs[5].name]
    assert "RuntimeError" in (tmp_path / jobs[0].name / "log.txt").read_text()
    assert "at stage0" in (tmp_path / jobs[1].name / "log.txt").read_text()
    done(tmp_path)
    assert run(study_of(jobs), tmp_path).failed == results.failed
    assert done(tmp_path) == sorted(jobs[i].name for i in (0, 1, 4, 5))


def test_nothing_is_made_of_no_results(tmp_path):
    jobs = [make_job("refuses", stage="stage0", seed=seed, may_be_refused=True) for seed in range(2)]
    results = run(study_of(jobs, grid("stage1")), tmp_path)
    assert [(stage["jobs"], stage["done"]) for stage in results.stages] == [(2, 0), (0, 0)]
    assert (results.rows, results.failed, len(results.refused)) == ([], [], 2)


def test_the_next_stage_is_made_of_what_the_one_before_found(tmp_path):
    seen = []

    def second(rows):
        seen.append(list(rows))
        best = max(rows, key=lambda row: (row["success"], row["loss"]))
        return [make_job(best["loss"], stage="stage1", seed=seed) for seed in (1, 2)]

    results = run(study_of(grid(), second), tmp_path)
    assert len(seen) == 1
    assert seen[0] == [row for row in results.rows if row["stage"] == "stage0"]
    assert {row["loss"] for row in results.rows if row["stage"] == "stage1"} == {"also_fine"}
    assert [stage["done"] for stage in results.stages] == [6, 2]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_shards_part_the_jobs(count):
    jobs = grid()
    parts = [share(jobs, (index, count)) for index in range(count)]
    assert sorted((job for part in parts for job in part), key=jobs.index) == jobs
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0)])
def test_a_shard_that_there_is_not_is_refused(shard):
    with pytest.raises(InputError, match="shard"):
        share(grid(), shard)


def test_a_stage_waits_for_all_shards_of_the_one_before(tmp_path):
    study = study_of(grid(), grid("stage1"))
    half = run(study, tmp_path, shard=(0, 2))
    assert {row["stage"] for row in half.rows} == {"stage0"}
    assert len(half.rows) == len(grid())
    whole = run(study, tmp_path, shard=(1, 2))
    assert [stage["done"] for stage in whole.stages] == [6, 3]
    assert len(run(study, tmp_path, workers=0).rows) == 18
    assert [stage["done"] for stage in run(study, tmp_path, only="stage1").stages] == [6, 6]


def test_only_a_part_is_done_where_that_is_asked_for(tmp_path):
    results = run(study_of(grid(), grid("stage1")), tmp_path, only="push/free-good")
    assert {(row["stage"], row["task"], row["loss"]) for row in results.rows} == {("stage0", "push", "good")}
    assert done(tmp_path) == ["collect/push", "stage0/push/free-good-seed0"]


def test_reading_does_nothing(tmp_path):
    assert run(study_of(grid()), tmp_path, workers=0).rows == []
    assert done(tmp_path) == []


def test_other_settings_are_not_taken_for_the_same_work(tmp_path):
    run(study_of(grid()), tmp_path)
    with pytest.raises(InputError, match=r"episodes differ\): give the old ones, or another output="):
        run(study_of(grid(episodes=11)), tmp_path)
    damaged = tmp_path / grid()[0].name / "job.json"
    damaged.write_text("{")
    with pytest.raises(InputError, match=r"job.json' is not valid JSON"):
        run(study_of(grid()), tmp_path)


def test_demonstrations_that_cannot_be_recorded_end_it_all_in_words(tmp_path):
    with pytest.raises(InputError, match="demonstrations of reach: the expert never succeeds"):
        run(study_of(grid()), tmp_path, collect=refuse_to_record)
    assert done(tmp_path) == []
    assert run(study_of(grid()), tmp_path).failed == []


def test_demonstrations_half_recorded_are_recorded_anew(tmp_path):
    (tmp_path / "data/reach").mkdir(parents=True)
    run(study_of(grid()), tmp_path)
    assert [name for name in done(tmp_path) if "collect" in name] == ["collect/push", "collect/reach"]


def test_workers_stay_and_have_one_thread_and_say_nothing(tmp_path, capfd):
    jobs = [make_job("counts", stage="stage0", seed=seed) for seed in range(5)]
    run(study_of(jobs), tmp_path, workers=1)
    found = [json.loads((tmp_path / job.name / "job.json").read_text())["found"] for job in jobs]
    assert {each["threads"] for each in found} == {"1"}
    assert len({each["pid"] for each in found}) == 1
    assert "at stage0" not in "".join(capfd.readouterr())


def test_an_interrupt_ends_workers_and_keeps_what_is_done(tmp_path, request):
    # What a shell starts in the background ignores interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    jobs = [make_job(stage="stage0"), make_job("waits", stage="stage0"), make_job("good", stage="stage0")]

    def interrupt():
        while not (tmp_path / "waiting").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run(study_of(jobs), tmp_path, workers=1)
    assert {row["loss"] for row in read_results(tmp_path).rows} == {"fine"}


def test_results_of_no_study_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="run the study first"):
        read_results(tmp_path)
    (tmp_path / RESULTS_FILE).write_text('{"kind": "evaluation"}')
    with pytest.raises(InputError, match="not of a study"):
        read_results(tmp_path)
