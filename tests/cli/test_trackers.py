"""Where evaluations and reports go besides their files, and a sweep from training to comparison."""

import json
from pathlib import Path

import pytest
import wandb

from dist2_robot.tracking import tensorboard
from tests.cli.small import SMALL

TRAINING = [option for option in SMALL if option != "env=none"]
FEW = ("episodes=2", "max_steps=6", "workers=0", "batch_size=2", "n_action_steps=2")


@pytest.fixture
def data(command, tmp_path):
    """Return demonstrations of PointAround."""
    folder = tmp_path / "data"
    assert command("dist2-collect", "env=point_around", "episodes=3", f"dataset.root={folder}", "workers=1").code == 0
    return folder


class FakeRun:
    """Remembers what it is told."""

    def __init__(self):
        self.logged = []

    def log(self, values, step=None):
        self.logged.append(values)

    def finish(self):
        pass


@pytest.mark.slow
def test_a_sweep_is_evaluated_and_compared(command, data):
    options = ("-m", "loss=dist2_energy,cross_entropy", "seed=0,1", "output=sweep")
    assert command("dist2-train", f"dataset.root={data}", *TRAINING, *options).code == 0
    for loss in ("dist2_energy", "cross_entropy"):
        for seed in (0, 1):
            assert command("dist2-eval", f"checkpoint=sweep/{loss}-seed_{seed}", *FEW, "videos=0").code == 0
    outcome = command("dist2-compare", "runs=['sweep/*']", "output=compared")
    assert outcome.code == 0, outcome.err
    comparison = json.loads(Path("compared/comparison.json").read_text())
    assert comparison["kind"] == "methods"
    assert {(row["name"], row["runs"]) for row in comparison["rows"]} == {("dist2_energy", 2), ("cross_entropy", 2)}


def test_an_evaluation_and_a_report_are_sent_where_it_is_asked(command, data, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    runs = {}
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(wandb, "init", lambda job_type, **_: runs.setdefault(job_type, FakeRun()))
    assert command("dist2-train", f"dataset.root={data}", *TRAINING, "output=run").code == 0
    assert command("dist2-eval", "checkpoint=run", *FEW, "videos=1", "tracker=[tensorboard,wandb]").code == 0
    rates, film = runs["evaluation"].logged
    assert rates["evaluation/episodes"] == 2
    assert isinstance(film["episode_0000"], wandb.Video)
    assert list(tmp_path.glob("run/eval/tensorboard/events.out.tfevents.*"))
    assert command("dist2-report", "runs=[run]", "output=report.html", "tracker=wandb").code == 0
    assert isinstance(runs["report"].logged[0]["report"], wandb.Html)


def test_a_tracker_that_is_not_installed_is_refused_before_anything_is_written(command, reach, tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    outcome = command("dist2-train", f"dataset.root={reach}", *SMALL, "output=run", "tracker=tensorboard")
    assert outcome.code == 2
    assert outcome.err.startswith("dist2-train: tracker=tensorboard needs a package: pip install")
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "run").exists()
