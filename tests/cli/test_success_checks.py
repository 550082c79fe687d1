"""Success checks beside a training, on an environment that takes a second."""

import json
import pkgutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from dist2_robot.checkpoints.manifest import MANIFEST_FILE
from dist2_robot.checkpoints.store import find_checkpoint, load_policy
from dist2_robot.cli import checkpoint_saver
from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.success_checks import SuccessChecks
from dist2_robot.cli.train import train
from dist2_robot.tracking.jsonl import JsonlTracker
from tests.cli.small import SMALL

OPTIONS = (
    *(option for option in SMALL if option != "env=none"),
    "env=point_around",
    "trainer.steps=12",
    "trainer.evaluate_every=4",
    "trainer.log_every=1",
    "evaluation.episodes=2",
    "evaluation.n_action_steps=3",
)


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    """A few ways around the obstacle, to be read only."""
    root = tmp_path_factory.mktemp("data") / "around"
    options = ["env=point_around", "episodes=4", "workers=1", f"dataset.root={root}"]
    subprocess.run([sys.executable, "-m", "dist2_robot.cli.collect", *options], check=True, capture_output=True)
    return root


def records(run, kind):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


@pytest.mark.slow
def test_a_training_tells_its_success_and_keeps_the_best(command, demonstrations, tmp_path):
    outcome = command("dist2-train", f"dataset.root={demonstrations}", "output=run", *OPTIONS)
    assert outcome.code == 0, outcome.err
    run = tmp_path / "run"
    found = records(run, "success")
    assert {record["step"] for record in found} <= {4, 8, 12}
    assert found[-1]["step"] == 12  # the last one is waited for
    assert all(record["episodes"] == 2 and record["errors"] == 0 for record in found)
    left_out = {step for step in (4, 8) if f"step {step} is not checked" in outcome.err}
    assert left_out | {record["step"] for record in found} == {4, 8, 12}

    best = json.loads((run / "checkpoints" / "best.json").read_text())
    rates = {record["step"]: record["success_rate"] for record in found}
    assert rates[best["step"]] == max(rates.values())
    assert find_checkpoint(run) == run / "checkpoints" / "best"
    assert load_policy(run)[1].step == best["step"]
    assert f"best: step {best['step']}, success" in outcome.out
    assert list((run / "checks").iterdir()) == []

    # The summary is of the training, whichever step was best.
    assert json.loads((run / "summary.json").read_text())["steps"] == 12
    assert "step_0000012" in outcome.out
    again = command("dist2-train", f"dataset.root={demonstrations}", "output=run", *OPTIONS, "resume=auto")
    assert "is finished, and stays as it is" in again.out

    outcome = command("dist2-eval", "checkpoint=run", "episodes=1", "n_action_steps=3", "workers=0", "videos=0")
    assert outcome.code == 0, outcome.err
    assert json.loads((run / "eval" / "results.json").read_text())["step"] == best["step"]


WRITE = "import pathlib as p; p.Path('eval').mkdir(); p.Path('eval/results.json').write_text('{}')"
FIND = """
import json, pathlib
step = int(pathlib.Path.cwd().name.removeprefix('step_'))
found = {{"step": step, "success_rate": {}, "success_interval": [0, 1], "episodes": 2, "errors": 0}}
pathlib.Path('eval').mkdir()
pathlib.Path('eval/results.json').write_text(json.dumps(found))
"""


class Saved:
    """Stands in for what writes checkpoints."""

    def __call__(self, folder, model, step):
        folder.mkdir(parents=True)
        (folder / "step").write_text(str(step))
        (folder / MANIFEST_FILE).write_text("{}")


class Children:
    """Stands in for dist2-eval: a process that does what a test says."""

    def __init__(self, monkeypatch):
        self.code, self.started, self._popen = "", [], subprocess.Popen
        monkeypatch.setattr(subprocess, "Popen", self)

    def __call__(self, command, **options):
        assert command[:3] == [sys.executable, "-m", "dist2_robot.cli.eval"]
        self.started.append(self._popen([sys.executable, "-c", self.code], **options))
        return self.started[-1]

    def find(self, rate):
        """Let the next check find a rate, an expression that may know the step, at once."""
        self.code = FIND.format(rate)

    def sleep(self):
        """Let the next check take for ever."""
        self.code = "import time; time.sleep(600)"


@pytest.fixture
def children(monkeypatch):
    children = Children(monkeypatch)
    yield children
    for process in children.started:
        process.kill()
        process.wait()


@pytest.fixture
def tracker(tmp_path):
    return JsonlTracker(tmp_path / "metrics.jsonl", 0)


@pytest.fixture
def checks(tmp_path, tracker, children):
    return SuccessChecks(tmp_path, {"episodes": 2, "seed": 0}, Saved(), tracker)


def test_the_best_is_the_latest_of_the_highest_rate(checks, children, tmp_path):
    best = tmp_path / "checkpoints" / "best" / "step"
    for step, rate, expected in ((1, 0.5, "1"), (2, 0.0, "1"), (3, 0.5, "3"), (4, None, "3"), (5, 1.0, "5")):
        children.find(rate)
        checks.submit({}, step, is_last=False)
        checks.wait()
        assert best.read_text() == expected
    assert [record["step"] for record in records(tmp_path, "success")] == [1, 2, 3, 4, 5]
    assert list((tmp_path / "checks").iterdir()) == []


def test_a_resumed_training_remembers_its_best(checks, children, tmp_path, tracker):
    children.find(1.0)
    checks.submit({}, 1, is_last=True)
    checks.wait()
    later = SuccessChecks(tmp_path, {}, Saved(), tracker)
    children.find(0.5)
    later.submit({}, 2, is_last=True)
    later.wait()
    assert (tmp_path / "checkpoints" / "best" / "step").read_text() == "1"
    assert later.best is not None
    assert later.best["step"] == 1


def test_a_check_that_still_runs_leaves_the_next_out_and_is_told(checks, children, capsys):
    children.sleep()
    checks.submit({}, 1, is_last=False)
    clock = time.monotonic()
    checks.submit({}, 2, is_last=False)
    checks.poll()
    assert time.monotonic() < clock + 5
    assert len(children.started) == 1
    assert "the success check of step 1 still runs, step 2 is not checked" in capsys.readouterr().err


def test_the_last_check_waits_for_the_one_before(checks, children, tmp_path, capsys):
    children.find(0.0)
    children.code = f"import time; time.sleep(0.3)\n{children.code}"
    checks.submit({}, 1, is_last=False)
    children.find(1.0)
    checks.submit({}, 2, is_last=True)
    checks.wait()
    assert [record["step"] for record in records(tmp_path, "success")] == [1, 2]
    assert "waiting for the success check of step 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit(1)",
        "import os; os.kill(os.getpid(), 9)",
        WRITE.format("{"),
        WRITE.format("{}"),
        WRITE.format("[]"),
    ],
)
def test_a_check_that_fails_is_told_and_harms_nothing(checks, children, tmp_path, capsys, code):
    children.code = code
    checks.submit({}, 1, is_last=False)
    checks.wait()
    err = capsys.readouterr().err
    assert "the success check of step 1 failed" in err
    assert "eval.log" in err
    assert (tmp_path / "checks" / "step_0000001" / "eval.log").is_file()
    assert records(tmp_path, "success") == []
    children.find(1.0)
    checks.submit({}, 2, is_last=True)
    checks.wait()
    assert [record["step"] for record in records(tmp_path, "success")] == [2]


def test_closing_leaves_no_process_behind_and_the_checks_to_be_made_later(checks, children, tmp_path, tracker):
    children.sleep()
    checks.submit({}, 1, is_last=False)
    checks.submit({}, 2, is_last=True)
    checks.close()
    assert children.started[0].poll() is not None
    checks.close()  # nothing left to do
    children.find(0.5)
    later = SuccessChecks(tmp_path, {}, Saved(), tracker)
    later.resume(2)
    later.wait()
    assert [record["step"] for record in records(tmp_path, "success")] == [1, 2]
    assert list((tmp_path / "checks").iterdir()) == []


def test_checks_of_steps_that_come_again_are_begun_anew(checks, children, tmp_path, tracker):
    children.sleep()
    checks.submit({}, 4, is_last=False)
    checks.close()
    (tmp_path / "checks" / ".step_0000002.unfinished").mkdir()
    later = SuccessChecks(tmp_path, {}, Saved(), tracker)
    later.resume(3)  # the last checkpoint
    later.wait()
    assert list((tmp_path / "checks").iterdir()) == []
    assert len(children.started) == 1
    children.find(1.0)
    later.submit({}, 4, is_last=False)
    later.wait()
    assert [record["step"] for record in records(tmp_path, "success")] == [4]


class Killed(BaseException):
    """No part of a program catches this."""


def check_two(run):
    """Make the checks that are left of two, of which the first is the better."""
    checks = SuccessChecks(run, {}, Saved(), JsonlTracker(run / "metrics.jsonl", 2))
    checks.resume(2)
    checks.wait()


def all_files(run):
    return {str(path.relative_to(run)): path.is_file() and path.read_text() for path in run.rglob("*")}


@pytest.mark.fault("R4")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("function", ["Popen", "put_in_place", "write_json", "remove_folder", "JsonlTracker.log"])
def test_checks_that_were_cut_off_anywhere_end_as_if_nothing_had_happened(
    children, tmp_path, monkeypatch, function, when
):
    where = {"Popen": "subprocess.Popen", "JsonlTracker.log": "dist2_robot.tracking.jsonl.JsonlTracker.log"}
    where = where.get(function, f"dist2_robot.cli.success_checks.{function}")
    children.find("0.5 / step")
    runs = [tmp_path / name for name in ("whole", "first", "second")]
    for calls, run in enumerate(runs):  # the n-th call is the last, but for the first run
        for step in (1, 2):
            Saved()(run / "checks" / f"step_{step:07d}", {}, step)
        left, real = [None] * calls, pkgutil.resolve_name(where)

        def cut(*arguments, left=left, real=real, **options):
            if len(left) == 1 and when == "before":
                raise Killed
            result = real(*arguments, **options)
            if left and left.pop() is None and not left:
                raise Killed
            return result

        with monkeypatch.context() as patch, suppress(Killed):
            patch.setattr(where, cut)
            check_two(run)
        for process in children.started:
            process.wait()
        check_two(run)
        assert all_files(run) == all_files(runs[0])
    assert [record["step"] for record in records(runs[0], "success")] == [1, 2]
    assert json.loads((runs[0] / "checkpoints" / "best.json").read_text())["step"] == 1


CUTS = [
    ("cli.checkpoint_saver", "CheckpointSaver.__call__"),
    ("cli.success_checks", "SuccessChecks.submit"),
    ("cli.success_checks", "SuccessChecks.wait"),
    ("cli.success_checks", "SuccessChecks._take"),
    ("cli.train", "distribution_examples"),
    ("cli.train", "write_scores"),
    ("cli.train", "write_json"),
]


def made_by(run):
    """Return all that a run with success checks is for, without what the clock says."""
    summary = json.loads((run / "summary.json").read_text())
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    lines = [{key: x for key, x in line.items() if key != "samples_per_s"} for line in lines]
    return (
        sorted(lines, key=lambda line: (line["step"], line["kind"])),
        {key: x for key, x in summary.items() if key != "wall_time_s"},
        [json.loads((run / name).read_text()) for name in ("checkpoints/best.json", "examples.json")],
        sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_dir()),
        [(run / "checkpoints" / name / "model.safetensors").read_bytes() for name in ("best", "step_0000012")],
    )


@pytest.mark.slow
@pytest.mark.fault("R4")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("place", "name"), CUTS)
def test_whatever_was_not_made_after_the_last_step_is_made_by_who_resumes(
    demonstrations, children, tmp_path, monkeypatch, place, name, when
):
    monkeypatch.setattr(checkpoint_saver, "provenance", lambda: {"versions": {}, "git_revision": None})
    children.find("step / 100")
    options = [*OPTIONS, f"dataset.root={demonstrations}", "trainer.evaluate_every=12", "trainer.save_every=8"]
    config = compose_config("train", [*options, "output=run", "name=run"])
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert train({**config, "output": str(whole)}) == 0
    real = pkgutil.resolve_name(f"dist2_robot.{place}.{name}")

    def cut(*arguments, **options):
        is_last = name != "CheckpointSaver.__call__" or arguments[-1] == 12
        if is_last and when == "before":
            raise Killed
        result = real(*arguments, **options)
        if is_last:
            raise Killed
        return result

    with monkeypatch.context() as patch:
        patch.setattr(f"dist2_robot.{place}.{name}", cut)
        with pytest.raises(Killed):
            train({**config, "output": str(run)})
    assert train({**config, "output": str(run), "resume": True}) == 0
    assert made_by(run) == made_by(whole)
    assert json.loads((run / "checkpoints" / "best.json").read_text())["step"] == 12


def children_of(parent):
    """Return the processes that a process started, and those that they did."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found += [int(path.parent.name), *children_of(int(path.parent.name))]
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's list of processes")
def test_a_training_that_is_stopped_leaves_no_process_behind(demonstrations, tmp_path):
    options = [*OPTIONS, "trainer.steps=100000", "evaluation.episodes=1000", f"output={tmp_path / 'run'}"]
    command = [sys.executable, "-m", "dist2_robot.cli.train", f"dataset.root={demonstrations}", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while len(children_of(process.pid)) < 2:  # the check and what simulates for it
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        started = children_of(process.pid)
        process.terminate()
        assert process.wait(60) == 143
        deadline = time.monotonic() + 20
        while alive := [pid for pid in started if is_alive(pid)]:
            assert time.monotonic() < deadline, alive
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
