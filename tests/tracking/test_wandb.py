"""Weights & Biases may be away, and training does not notice."""

import time

import pytest
import wandb

from dist2_robot.tracking.wandb import WandbTracker

RECORDS = [{"kind": "validation", "step": step, "loss": 0.5, "action_error": {"x": 0.1}} for step in (1, 2)]


class FakeRun:
    """Remembers what it is told, until it breaks."""

    def __init__(self, breaks_at=()):
        self.breaks_at, self.logged = breaks_at, []

    def log(self, values, step):
        if "log" in self.breaks_at:
            raise ConnectionError("the line is dead")
        self.logged.append((step, values))

    def finish(self):
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
