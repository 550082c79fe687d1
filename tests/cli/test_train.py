"""dist2-train from a dataset to a checkpoint, killed and resumed."""

import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest
import torch
import wandb
from safetensors.torch import load_file

from dist2_robot.checkpoints.golden import GOLDEN_FILE, check_golden
from dist2_robot.checkpoints.store import MODEL_FILE, find_checkpoint, load_policy, read_tensors
from dist2_robot.cli import checkpoint_saver
from dist2_robot.cli.folder_lock import locked
from dist2_robot.training.stop import EXIT_CODE
from tests.cli.small import SMALL
from tests.data.recordings import JOINTS, TASK, write_reach

SCRIPTS = Path(sysconfig.get_path("scripts"))
LONG = ("trainer.steps=400", "trainer.save_every=40", "trainer.log_every=5", "trainer.validate_every=60")


def weights(run):
    return hashlib.sha256((find_checkpoint(run) / MODEL_FILE).read_bytes()).hexdigest()


def metrics(run):
    """Return the records of a run, but for what the clock says."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if key != "samples_per_s"} for record in records]


def held_out_errors(out):
    lines = out.split("held-out episodes: ")[1].splitlines()
    assert re.split("  +", lines[1].strip())[:4] == ["dimension", "error", "error/std", "CRPS"]
    of_dimensions = itertools.takewhile(lambda line: not line.startswith("  all "), lines[2:])
    found = [re.match(r"  (\S+)  +([\d.]+) ?(\S*)  +\d", line) for line in of_dimensions]
    return {match[1]: (float(match[2]), match[3]) for match in found if match}


def test_a_run_tells_what_it_learned_and_keeps_it(command, reach, tmp_path):
    outcome = command("dist2-train", f"dataset.root={reach}", "output=run", *SMALL)
    assert outcome.code == 0, outcome.err
    errors = held_out_errors(outcome.out)
    assert {name: unit for name, (_, unit) in errors.items()} == {"x": "cm", "gripper": "%"}
    run = tmp_path / "run"
    policy, manifest = load_policy(run)
    golden = read_tensors(find_checkpoint(run), manifest, GOLDEN_FILE)
    assert check_golden(policy, golden, manifest.golden_tasks) == 0
    assert len(golden["tokens"]) == 4
    assert manifest.tasks == [TASK]
    assert manifest.step == 20
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["step_0000016", "step_0000020"]

    records = metrics(run)
    assert [r["step"] for r in records if r["kind"] == "train"] == [3, 6, 9, 12, 15, 18, 20]
    assert [r["step"] for r in records if r["kind"] == "validation"] == [10, 20]
    assert records[-1]["units"] == {"x": "cm", "gripper": "%"}
    assert errors["x"][0] == pytest.approx(records[-1]["action_error"]["x"], rel=1e-3)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["dataset"]["fingerprint"] == manifest.dataset["fingerprint"]
    assert json.loads((run / "config.json").read_text())["name"] == "run"
    assert len(json.loads((run / "examples.json").read_text())) == 4


def test_data_of_a_stranger_are_learned_in_plain_numbers(command, teleoperated):
    outcome = command("dist2-train", f"dataset.root={teleoperated}", "output=arm", *SMALL)
    assert outcome.code == 0, outcome.err
    errors = held_out_errors(outcome.out)
    assert list(errors) == [f"{joint}.pos" for joint in JOINTS]
    assert [unit for _, unit in errors.values()] == [""] * 6  # degrees or percent: nobody knows
    assert all(0 < error < 200 for error, _ in errors.values())
    assert "limits from data" in outcome.out
    assert load_policy("arm")[1].environments == []


def test_without_held_out_episodes_there_is_no_error_to_tell(command, reach):
    outcome = command("dist2-train", f"dataset.root={reach}", "output=run", *SMALL, "dataset.validation=0.0")
    assert outcome.code == 0, outcome.err
    assert "held-out episodes" not in outcome.out


@pytest.mark.fault("R10")
def test_the_seed_decides_the_weights(command, reach, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert command("dist2-train", f"dataset.root={reach}", f"output={name}", f"seed={seed}", *SMALL).code == 0
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")


@pytest.mark.parametrize(
    ("how", "code"),
    [
        pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.fault("R4")),
        pytest.param(signal.SIGTERM, EXIT_CODE, marks=pytest.mark.fault("R6")),
    ],
)
def test_stopped_and_resumed_is_as_if_nothing_had_happened(command, reach, tmp_path, how, code):
    arguments = [f"dataset.root={reach}", *SMALL, *LONG]
    run = tmp_path / "stopped"
    process = subprocess.Popen(
        [SCRIPTS / "dist2-train", *arguments, f"output={run}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while not list(run.glob("checkpoints/step_*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(0.05)  # some steps, and records of them, past the checkpoint
    finally:
        process.send_signal(how)
        process.wait()
    assert process.returncode == code
    stopped_at = load_policy(run)[1].step
    assert 0 < stopped_at < 400

    assert command("dist2-train", *arguments, f"output={run}", "resume=true").code == 0
    assert command("dist2-train", *arguments, "output=whole").code == 0
    whole = tmp_path / "whole"
    for name in ("model.safetensors", "training.safetensors"):
        expected, actual = (load_file(find_checkpoint(folder) / name) for folder in (whole, run))
        assert expected.keys() == actual.keys()
        assert all(torch.equal(expected[key], actual[key]) for key in expected)
    assert weights(run) == weights(whole)
    assert metrics(run) == metrics(whole)


@pytest.mark.fault("R4")
def test_a_finished_run_that_is_resumed_stays_as_it_is(command, reach, tmp_path):
    arguments = ["dist2-train", f"dataset.root={reach}", "output=run", *SMALL]
    first = command(*arguments)
    before = weights(tmp_path / "run"), metrics(tmp_path / "run")
    assert "is finished" not in first.out
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.json")}
    for resume in ("true", "auto"):
        again = command(*arguments, f"resume={resume}")
        assert again.code == 0
        assert again.out.strip() == "'run' is finished, and stays as it is"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.json")} == files
    assert before == (weights(tmp_path / "run"), metrics(tmp_path / "run"))


@pytest.mark.fault("R4")
def test_a_run_that_was_out_of_patience_is_finished(command, reach, tmp_path):
    arguments = ["dist2-train", f"dataset.root={reach}", "output=run", *SMALL, "trainer.validate_every=2"]
    arguments += ["trainer.learning_rate=1e-30"]  # nothing gets better
    outcome = command(*arguments, "trainer.patience=2")
    assert "out of patience: the training ended at step 6" in outcome.out
    summary = (tmp_path / "run" / "summary.json").read_bytes()
    for resume in ("auto", "true"):
        outcome = command(*arguments, "trainer.patience=2", f"resume={resume}")
        assert outcome.out.strip() == "'run' is finished, and stays as it is"
    assert (tmp_path / "run" / "summary.json").read_bytes() == summary
    # With more patience it has something left to do, and without its summary something left to write.
    outcome = command(*arguments, "trainer.patience=4", "resume=auto", "resume_changed=true")
    assert "the training ended at step 10" in outcome.out
    (tmp_path / "run" / "summary.json").unlink()
    assert command(*arguments, "trainer.patience=4", "resume=auto").code == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["steps"] == 10


class CountingClock:
    """A second passes whenever somebody looks."""

    now = 0

    def monotonic(self):
        self.now += 1
        return self.now


def test_the_time_of_a_resumed_run_is_that_of_all_its_parts(command, reach, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_saver, "time", CountingClock())
    arguments = ["dist2-train", f"dataset.root={reach}", "output=run", *SMALL, "trainer.save_every=8"]
    summary = tmp_path / "run" / "summary.json"
    assert command(*arguments).code == 0
    assert json.loads(summary.read_text())["wall_time_s"] == 3  # looked at for the steps 8, 16 and 20
    more = ["resume=true", "resume_changed=true", "trainer.steps=30"]
    assert command(*arguments, *more).code == 0
    assert json.loads(summary.read_text())["wall_time_s"] == 5  # and 24 and 30
    summary.unlink()
    assert command(*arguments, *more).code == 0
    assert json.loads(summary.read_text())["wall_time_s"] == 5  # nothing was left to train


@pytest.mark.fault("A5")
def test_a_second_training_in_one_folder_is_refused(command, reach, tmp_path):
    arguments = ["dist2-train", f"dataset.root={reach}", "output=run", *SMALL]
    assert command(*arguments).code == 0
    kept = weights(tmp_path / "run"), metrics(tmp_path / "run")
    with locked(tmp_path / "run"):
        for change in ("resume=true", "resume=auto", "overwrite=true"):
            outcome = command(*arguments, change)
            assert outcome.code == 2
            assert f"'run' is in use by process {os.getpid()} on {socket.gethostname()}" in outcome.err
            assert outcome.err.count("\n") == 1
    assert kept == (weights(tmp_path / "run"), metrics(tmp_path / "run"))
    assert command(*arguments, "resume=true").code == 0


def test_the_summary_is_of_the_last_step_whichever_was_best(command, reach, tmp_path):
    arguments = ["dist2-train", f"dataset.root={reach}", "output=run", *SMALL]
    assert command(*arguments).code == 0
    checkpoints, summary = tmp_path / "run" / "checkpoints", tmp_path / "run" / "summary.json"
    shutil.copytree(checkpoints / "step_0000016", checkpoints / "best")
    summary.unlink()
    outcome = command(*arguments, "resume=true")
    assert "step_0000020" in outcome.out
    assert json.loads(summary.read_text())["steps"] == 20
    assert "is finished" in command(*arguments, "resume=auto").out


def test_overwriting_starts_anew(command, reach, tmp_path):
    arguments = ["dist2-train", f"dataset.root={reach}", "output=run", *SMALL]
    assert command(*arguments, "seed=5").code == 0
    assert command(*arguments, "overwrite=true").code == 0
    assert command("dist2-train", f"dataset.root={reach}", "output=fresh", *SMALL).code == 0
    assert weights(tmp_path / "run") == weights(tmp_path / "fresh")
    assert metrics(tmp_path / "run") == metrics(tmp_path / "fresh")


@pytest.mark.fault("R5")
def test_a_run_is_resumed_only_as_it_was_begun(command, reach, tmp_path):
    data = shutil.copytree(reach, tmp_path / "data")
    arguments = ["dist2-train", f"dataset.root={data}", "output=run", *SMALL]
    assert "there is no run in 'run' to resume" in command(*arguments, "resume=true").err
    assert command(*arguments).code == 0
    kept = weights(tmp_path / "run"), metrics(tmp_path / "run")
    for change, says in {
        "trainer.batch_size=16": "trainer.batch_size was 8 and is now 16",
        "loss=cross_entropy": "loss.",
        "seed=1": "seed was 0 and is now 1",
    }.items():
        outcome = command(*arguments, change, "resume=true")
        assert outcome.code == 2
        assert says in outcome.err
    shutil.rmtree(data)
    write_reach(data, seed=1)
    outcome = command(*arguments, "resume=true")
    assert outcome.code == 2
    assert f"'{data}' has changed" in outcome.err
    assert kept == (weights(tmp_path / "run"), metrics(tmp_path / "run"))


@pytest.mark.fault("R5")
def test_a_run_goes_on_otherwise_where_that_is_asked_for(command, reach, tmp_path):
    arguments = ["dist2-train", f"dataset.root={reach}", "output=run", *SMALL]
    assert command(*arguments).code == 0
    kept, config = weights(tmp_path / "run"), tmp_path / "run" / "config.json"
    more = ["trainer.batch_size=16", "trainer.steps=30"]
    refusal = command(*arguments, *more, "resume=true").err
    assert "trainer.batch_size was 8 and is now 16" in refusal
    assert "resume_changed=true" in refusal
    before = config.read_text()
    assert "resume=true too" in command(*arguments, *more, "resume_changed=true").err
    # What cannot go on: other weights, other tokens.
    for change in ("policy.width=16", "tokenizer.bins=8", "policy=regression"):
        rest = ["loss=l1"] if change == "policy=regression" else []
        outcome = command(*arguments, change, *rest, "resume=true", "resume_changed=true")
        assert outcome.code == 2, outcome.err
        assert "does not fit the options" in outcome.err
        assert outcome.err.count("\n") == 1
    assert (weights(tmp_path / "run"), config.read_text()) == (kept, before)

    outcome = command(*arguments, *more, "resume=true", "resume_changed=true")
    assert outcome.code == 0, outcome.err
    assert "from step 20 on trainer.batch_size is 16, it was 8" in outcome.out
    assert load_policy(tmp_path / "run")[1].step == 30
    changes = {"trainer.batch_size": {"was": 8, "is": 16}, "trainer.steps": {"was": 20, "is": 30}}
    assert json.loads(config.read_text())["changed_on_resume"] == [{"step": 20, "changes": changes}]
    # The options of now are the run's from here on.
    assert command(*arguments, *more, "resume=true").code == 0
    assert "trainer.batch_size was 16 and is now 8" in command(*arguments, "resume=true").err


@pytest.mark.fault("R2")
@pytest.mark.parametrize("content", ["", "5", "{", "[" * 10**5])
def test_a_damaged_config_of_a_run_is_named(command, reach, tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(content)
    outcome = command("dist2-train", f"dataset.root={reach}", "output=run", *SMALL, "resume=true")
    assert outcome.code == 2
    assert "'run/config.json'" in outcome.err
    assert "overwrite=true" in outcome.err


@pytest.mark.fault("R2")
def test_a_damaged_checkpoint_is_resumed_from_the_one_before_when_it_is_deleted(command, reach, tmp_path):
    arguments = ["dist2-train", f"dataset.root={reach}", "output=run", *SMALL]
    assert command(*arguments).code == 0
    kept = weights(tmp_path / "run")
    last = find_checkpoint(tmp_path / "run")
    (last / MODEL_FILE).write_bytes(b"")
    outcome = command(*arguments, "resume=true")
    assert outcome.code == 2
    assert "step_0000016" in outcome.err
    shutil.rmtree(last)
    assert command(*arguments, "resume=true").code == 0
    assert weights(tmp_path / "run") == kept


@pytest.mark.fault("R7")
def test_a_training_that_breaks_fails_in_words(command, reach, tmp_path):
    arguments = ["dist2-train", f"dataset.root={reach}", *SMALL, "trainer.learning_rate=1e30"]
    for output, change in (
        ("long", "trainer.steps=100"),
        ("short", "trainer.steps=10"),
        ("seen", "trainer.save_every=1"),
    ):
        outcome = command(*arguments, f"output={output}", change)
        assert outcome.code == 1
        assert re.match(r"dist2-train: .* not finite", outcome.err.splitlines()[-1])
        assert "lower trainer.learning_rate" in outcome.err
        assert "Traceback" not in outcome.err
        assert not (tmp_path / output / "summary.json").exists()
        for checkpoint in (tmp_path / output).glob("checkpoints/step_*"):
            assert all(torch.isfinite(tensor).all() for tensor in load_file(checkpoint / MODEL_FILE).values())


@pytest.mark.fault("R11")
def test_a_tracker_that_is_away_changes_nothing(command, reach, tmp_path, monkeypatch):
    def fails(**_):
        raise wandb.errors.CommError("no network")

    monkeypatch.setattr(wandb, "init", fails)
    assert command("dist2-train", f"dataset.root={reach}", "output=plain", *SMALL).code == 0
    assert command("dist2-train", f"dataset.root={reach}", "output=tracked", *SMALL, "tracker=wandb").code == 0
    assert weights(tmp_path / "plain") == weights(tmp_path / "tracked")
    assert metrics(tmp_path / "plain") == metrics(tmp_path / "tracked")
