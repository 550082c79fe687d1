"""Weights & Biases may be away, and training does not notice."""

import time

import numpy as np
import pytest
import wandb

from dist2_robot.errors import InputError
from dist2_robot.rollouts.video import write_video
from dist2_robot.tracking.wandb import WandbTracker

RECORDS = [{"kind": "validation", "step": step, "loss": 0.5, "action_error": {"x": 0.1}} for step in (1, 2)]


class FakeRun:
    """Remembers what it is told, until it breaks."""

    def __init__(self, breaks_at=()):
        self.breaks_at, self.logged, self.finished = breaks_at, [], False

    def log(self, values, step=None):
        if "log" in self.breaks_at:
            raise ConnectionError("the line is dead")
        self.logged.append((step, values))

    def log_artifact(self, artifact):
        if "artifact" in self.breaks_at:
            raise ConnectionError("the line is dead")
        self.logged.append((artifact.name, sorted(artifact.manifest.entries)))

    def finish(self):
        self.finished = True
        if "finish" in self.breaks_at:
            raise wandb.errors.CommError("the line is dead")


def track(folder):
    tracker = WandbTracker(folder, "project", "run", {"seed": 0})
    for record in RECORDS:
        tracker.log(record)
    tracker.close()


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")


def test_records_are_named_by_kind(tmp_path, monkeypatch, offline):
    run = FakeRun()
    monkeypatch.setattr(wandb, "init", lambda **_: run)
    track(tmp_path)
    assert run.logged == [(step, {"validation/loss": 0.5, "validation/action_error/x": 0.1}) for step in (1, 2)]


@pytest.mark.fault("R11")
@pytest.mark.parametrize("error", [wandb.errors.UsageError("no key"), TimeoutError("slow"), OSError("no network")])
def test_a_start_that_fails_is_warned_of_once(tmp_path, monkeypatch, caplog, offline, error):
    def fails(**_):
        raise error

    monkeypatch.setattr(wandb, "init", fails)
    track(tmp_path)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the record is in metrics.jsonl" in caplog.text


@pytest.mark.fault("R11")
@pytest.mark.parametrize("breaks_at", ["log", "finish"])
def test_a_line_that_dies_later_is_warned_of_once(tmp_path, monkeypatch, caplog, offline, breaks_at):
    monkeypatch.setattr(wandb, "init", lambda **_: FakeRun(breaks_at))
    track(tmp_path)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the line is dead" in caplog.text


@pytest.mark.fault("R11")
@pytest.mark.parametrize("is_logged_in", [False, True])
def test_without_account_or_network_the_run_is_kept_for_later(tmp_path, monkeypatch, is_logged_in):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    if is_logged_in:
        monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")  # nobody is there
    wandb.teardown()  # forget the settings of earlier tests
    clock = time.monotonic()
    track(tmp_path / "run")
    assert time.monotonic() - clock < 60  # wandb alone waits for minutes
    (record,) = (tmp_path / "run").glob("wandb/offline-run-*/*.wandb")
    wandb.teardown()
    assert record.stat().st_size > 100


@pytest.fixture
def pieces(tmp_path, monkeypatch):
    """Return a video, a page and a checkpoint to send; what wandb copies of them stays in the folder of the test."""
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staged"))
    video, page, checkpoint = tmp_path / "film.mp4", tmp_path / "report.html", tmp_path / "step_0000020"
    write_video(video, np.zeros((4, 16, 16, 3), np.uint8), 10)
    page.write_text("<p>a report</p>")
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_bytes(b"weights")
    return video, page, checkpoint


def send(folder, pieces):
    video, page, checkpoint = pieces
    tracker = WandbTracker(folder, "project", "a run: 1/2", {}, checkpoint=lambda: checkpoint)
    tracker.show_video("episode_0000", video, step=20)
    tracker.show_page("report", page)
    tracker.close()


def test_videos_pages_and_the_checkpoint_are_sent(tmp_path, monkeypatch, offline, pieces):
    run = FakeRun()
    monkeypatch.setattr(wandb, "init", lambda **_: run)
    send(tmp_path, pieces)
    (step, film), (_, page), artifact = run.logged
    assert (step, type(film["episode_0000"])) == (20, wandb.Video)
    assert isinstance(page["report"], wandb.Html)
    assert artifact == ("a-run-1-2", ["model.safetensors"])
    assert run.finished


def test_offline_they_wait_in_the_folder(tmp_path, monkeypatch, offline, pieces):
    wandb.teardown()
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    send(tmp_path / "run", pieces)
    wandb.teardown()
    (record,) = (tmp_path / "run").glob("wandb/offline-run-*/*.wandb")
    assert b"a-run-1-2" in record.read_bytes()
    kept = {path.suffix for path in (tmp_path / "run").rglob("media/**/*") if path.is_file()}
    assert {".mp4", ".html"} <= kept


@pytest.mark.fault("R11")
@pytest.mark.parametrize("breaks_at", ["log", "artifact", "finish"])
def test_what_cannot_be_sent_is_warned_of_once(tmp_path, monkeypatch, caplog, offline, pieces, breaks_at):
    run = FakeRun([breaks_at])
    monkeypatch.setattr(wandb, "init", lambda **_: run)
    send(tmp_path, pieces)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert run.finished  # or it would wait for more


@pytest.mark.fault("R11")
def test_a_checkpoint_that_is_not_there_is_warned_of(tmp_path, monkeypatch, caplog, offline):
    def finds_none():
        raise InputError("no checkpoint yet")

    run = FakeRun()
    monkeypatch.setattr(wandb, "init", lambda **_: run)
    WandbTracker(tmp_path, "project", "run", {}, checkpoint=finds_none).close()
    assert "no checkpoint yet" in caplog.text
    assert run.finished
