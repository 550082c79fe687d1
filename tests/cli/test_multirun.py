"""Sweeps of dist2-train: a folder for each training, failures that show, and a second run that does what is left."""

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from dist2_robot.checkpoints.store import MODEL_FILE, find_checkpoint, numbered_checkpoints
from dist2_robot.cli.multirun import _in_a_path
from dist2_robot.cli.objective import objective
from dist2_robot.training.stop import EXIT_CODE
from tests.cli.small import SMALL

SCRIPTS = Path(sysconfig.get_path("scripts"))
SWEEP = ("loss=dist2,cross_entropy", "seed=0,1")
FOLDERS = ["cross_entropy-seed_0", "cross_entropy-seed_1", "dist2-seed_0", "dist2-seed_1"]


def folders(sweep):
    return sorted(path.name for path in sweep.iterdir() if path.is_dir() and not path.name.startswith("."))


def results(sweep):
    """Return weights and records of each run of a sweep, but for what the clock says."""
    found = {}
    for run in (sweep / name for name in folders(sweep)):
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for record in records:
            record.pop("samples_per_s", None)
        found[run.name] = hashlib.sha256((find_checkpoint(run) / MODEL_FILE).read_bytes()).hexdigest(), records
    return found


@pytest.fixture
def train(command, reach):
    """Return a function that calls dist2-train on the recording."""
    return lambda *arguments: command("dist2-train", f"dataset.root={reach}", *SMALL, *arguments)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, reach):
    """Return the folder of a sweep that ran through."""
    output = tmp_path_factory.mktemp("undisturbed") / "sweep"
    run_installed(reach, "-m", *SWEEP, f"output={output}")
    return output


def run_installed(reach, *arguments, code=0):
    """Run the installed command, as launchers that start processes need it."""
    path = os.pathsep.join(filter(None, [*sys.path, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [SCRIPTS / "dist2-train", f"dataset.root={reach}", *SMALL, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": path, "HYDRA_FULL_ERROR": "0"},
    )
    assert done.returncode == code, done.stderr
    return done


def test_each_training_of_a_sweep_has_a_folder_and_a_name(train, tmp_path, undisturbed):
    assert folders(undisturbed) == FOLDERS
    config = json.loads((undisturbed / "dist2-seed_1/config.json").read_text())
    assert (config["seed"], config["loss"]["name"]) == (1, "dist2")
    assert config["name"] == "dist2"  # dist2-compare takes runs of one name for seeds of one method
    assert train("loss=dist2", "seed=1", "output=single/one").code == 0
    assert results(tmp_path / "single")["one"] == results(undisturbed)["dist2-seed_1"]


def test_a_sweep_needs_no_output_and_takes_the_flag_anywhere(train, tmp_path):
    assert train("policy.width=8,12", "-m", "trainer.steps=2").code == 0
    (sweep,) = (tmp_path / "runs").iterdir()
    assert folders(sweep) == ["width_12", "width_8"]
    assert json.loads((sweep / "width_8/config.json").read_text())["name"] == "width_8"


def test_runs_that_differ_in_the_seed_alone_are_called_as_the_sweep(train, tmp_path):
    assert train("-m", "seed=0,1", "output=many", "trainer.steps=2").code == 0
    names = {json.loads(path.read_text())["name"] for path in (tmp_path / "many").glob("*/config.json")}
    assert names == {"many"}
    assert train("-m", "seed=0,1", "output=many", "trainer.steps=2", "name=mine", "overwrite=true").code == 0
    names = {json.loads(path.read_text())["name"] for path in (tmp_path / "many").glob("*/config.json")}
    assert names == {"mine"}


def test_values_that_no_folder_can_hold_are_told_apart():
    values = [
        "1",
        "1e-3",
        "a/b",
        "[1,2]",
        "[1 2]",
        "'a b'",
        "a:b",
        "x" * 100,
        "x" * 101,
        "null",
        "-1",
        "../up",
        "{a:1}",
    ]
    names = [_in_a_path(value) for value in values]
    assert len(set(names)) == len(names)
    assert all("/" not in name and len(name) < 80 and name not in ("", ".", "..") for name in names)


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [
        ("tokenizer.bins=16,1", 2, "bins_1: tokenizer 'uniform': a tokenizer needs at least 2 bins, got 1"),
        ("tokenizer.bins=1,16", 2, "bins_1: tokenizer 'uniform': a tokenizer needs at least 2 bins, got 1"),
        ("tokenizer.bins=16,many", 2, "bins_many: tokenizer.bins must be a whole number, got 'many'"),
        ("trainer.learning_rate=1e-3,1e30", 1, "not finite"),
    ],
)
def test_a_job_that_fails_shows_and_the_others_are_done(train, tmp_path, wrong, code, says):
    outcome = train("-m", wrong, "trainer.steps=30", "output=sweep")
    assert outcome.code == code
    assert says in outcome.err
    assert "the sweep is incomplete" in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err
    assert len(list((tmp_path / "sweep").glob("*/summary.json"))) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["loss=dist2,dist3"], "there is no loss 'dist3'. Did you mean 'dist2'?"),
        (["sed=1,2"], "there is no option 'sed'. Did you mean 'seed'?"),
        (["experiment=paper,papr"], "there is no experiment 'papr'. Did you mean 'paper'?"),
    ],
)
def test_a_sweep_that_cannot_be_composed_starts_nothing(train, tmp_path, arguments, says):
    outcome = train("-m", *arguments, "output=sweep")
    assert outcome.code == 2
    assert outcome.err.startswith(f"dist2-train: {says}")
    assert outcome.err.count("\n") == 1
    assert folders(tmp_path / "sweep") == []


@pytest.mark.fault("R4")
def test_a_sweep_that_was_cut_off_goes_on_where_it_stopped(train, tmp_path, undisturbed):
    sweep = tmp_path / "sweep"
    shutil.copytree(undisturbed, sweep)
    half, early, cut, missing = (sweep / name for name in FOLDERS)
    shutil.rmtree(numbered_checkpoints(half)[-1])
    (half / "summary.json").unlink()
    shutil.rmtree(early / "checkpoints")  # killed before the first one
    (early / "summary.json").unlink()
    (cut / "summary.json").write_text('{"steps": 2')  # killed while it was written
    shutil.rmtree(missing)
    whole = results(undisturbed)
    outcome = train("-m", *SWEEP, f"output={sweep}", "resume=auto")
    assert outcome.code == 0, outcome.err
    assert results(sweep) == whole

    before = {path: path.stat().st_mtime_ns for path in sweep.glob("*/*") if path.is_file()}
    outcome = train("-m", *SWEEP, f"output={sweep}", "resume=auto")
    assert outcome.out.count("is finished, and stays as it is") == 4
    assert before == {path: path.stat().st_mtime_ns for path in sweep.glob("*/*") if path.is_file()}


@pytest.mark.fault("R5")
def test_what_was_trained_otherwise_is_not_taken_for_done(train, tmp_path, undisturbed):
    sweep = shutil.copytree(undisturbed, tmp_path / "sweep")
    outcome = train("-m", *SWEEP, f"output={sweep}", "resume=auto", "trainer.batch_size=4")
    assert outcome.code == 2
    assert "trainer.batch_size was 8 and is now 4" in outcome.err
    assert train("-m", *SWEEP, f"output={sweep}").code == 2  # without resume= nothing is touched
    assert results(sweep) == results(undisturbed)


def test_auto_is_for_one_training_too(train):
    assert train("output=run", "resume=auto").code == 0
    assert "is finished" in train("output=run", "resume=auto").out


def test_what_a_search_makes_small(train, tmp_path):
    assert train("output=run").code == 0
    last = json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[-1])
    errors = last["action_error_by_step"]
    assert objective({"output": "run"}) == pytest.approx(sum(errors) / len(errors))
    with (tmp_path / "run/metrics.jsonl").open("a") as file:
        file.write('{"kind": "success", "step": 20, "success_rate": 0.9}\n')
    assert objective({"output": "run"}) == pytest.approx(0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher", [("joblib", "hydra.launcher.n_jobs=2"), ("submitit_local", "hydra.launcher.cpus_per_task=1")]
)
def test_side_by_side_is_as_one_after_the_other(reach, tmp_path, undisturbed, launcher):
    options = (f"hydra/launcher={launcher[0]}", launcher[1], f"output={tmp_path / 'sweep'}")
    run_installed(reach, "-m", *SWEEP, *options)
    assert results(tmp_path / "sweep") == results(undisturbed)
    failed = run_installed(reach, "-m", "tokenizer.bins=16,1,12", *options, code=2)
    assert "the sweep is incomplete: bins_1: tokenizer 'uniform'" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr
    assert {"bins_16", "bins_12"} <= set(folders(tmp_path / "sweep"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "code"),
    [
        pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.fault("R4")),
        pytest.param(signal.SIGTERM, EXIT_CODE, marks=pytest.mark.fault("R6")),
    ],
)
def test_a_sweep_that_is_stopped_starts_nothing_more_and_can_be_finished(reach, train, tmp_path, how, code):
    options = ("-m", "seed=0,1,2", "trainer.steps=300", "trainer.save_every=20")
    output = tmp_path / "sweep"
    process = subprocess.Popen(
        [SCRIPTS / "dist2-train", f"dataset.root={reach}", *SMALL, *options, f"output={output}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while not list(output.glob("seed_1/checkpoints/step_*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        process.send_signal(how)
        process.wait(timeout=60)
    assert process.returncode == code
    assert folders(output) == ["seed_0", "seed_1"]
    assert not (output / "seed_1/summary.json").exists()
    assert train(*options, f"output={output}", "resume=auto").code == 0
    assert train(*options, f"output={tmp_path / 'whole'}").code == 0
    assert results(output) == results(tmp_path / "whole")


SEARCH = ("-m", "hydra/sweeper=optuna", "hydra.sweeper.n_jobs=1", "hydra.sweeper.sampler.seed=0")
SPACE = ("trainer.learning_rate=tag(log,interval(1e-4,1e-2))", "head=mixture,free")


@pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="needs the extra [sweep]")
class TestOfOptuna:
    def test_a_search_keeps_the_best_and_goes_on_where_it_stopped(self, train, tmp_path):
        assert train(*SEARCH, *SPACE, "hydra.sweeper.n_trials=2", "output=search").code == 0
        outcome = train(*SEARCH, *SPACE, "hydra.sweeper.n_trials=4", "output=search", "resume=auto")
        assert outcome.code == 0
        assert outcome.out.count("is finished") == 2
        runs = [tmp_path / "search" / name for name in folders(tmp_path / "search")]
        assert len(runs) == 4
        best = (tmp_path / "search/optimization_results.yaml").read_text()
        assert f"best_value: {min(objective({'output': run}) for run in runs)}" in best

    def test_a_trial_that_fails_is_no_good_one(self, train):
        outcome = train(*SEARCH, "trainer.ema_decay=1.5,2.5", "hydra.sweeper.n_trials=1", "output=search")
        assert outcome.code == 2
        assert "trainer.ema_decay must lie in [0, 1)" in outcome.err

    def test_a_search_by_nothing_is_refused(self, train):
        outcome = train(*SEARCH, *SPACE, "hydra.sweeper.n_trials=1", "output=search", "dataset.validation=0.0")
        assert outcome.code == 2
        assert "nothing to search by" in outcome.err
