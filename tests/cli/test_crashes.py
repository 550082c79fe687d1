"""dist2-train, killed at any thing it does to the files of its run, goes on as if nothing had happened."""

import json
import signal

import pytest

from dist2_robot.checkpoints import store
from dist2_robot.checkpoints.store import MODEL_FILE, find_checkpoint
from dist2_robot.cli import checkpoint_saver
from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.train import train
from tests.cli.small import SMALL
from tests.crashes import FullDisk, killed, points_of, run_with, torn

FATES = {"killed": killed, "torn": torn(20)}
ENDS = (0, -signal.SIGKILL, -signal.SIGXFSZ)


@pytest.fixture
def start(reach, monkeypatch):
    """Return a function that trains for two steps, with a checkpoint after each."""
    monkeypatch.setattr(checkpoint_saver, "provenance", lambda: {"versions": {}, "git_revision": None})
    options = [f"dataset.root={reach}", *SMALL, "trainer.steps=3", "trainer.save_every=1", "trainer.log_every=1"]
    options += ["output=run", "name=run", "trainer.warmup_steps=1", "trainer.validate_every=2"]
    config = compose_config("train", options)

    def start(run, **changes):
        return train({**config, "output": str(run), **changes})

    return start


def outcome(run):
    """Return all that a run is for, without what the clock says."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    summary, config = (json.loads((run / name).read_text()) for name in ("summary.json", "config.json"))
    free = ("output", "resume", "overwrite")
    return (
        store._sha256(find_checkpoint(run) / MODEL_FILE),
        # Killed after its last checkpoint, a run keeps one more than it needs.
        sorted({path.name for path in run.rglob("*")} - {"step_0000001"}),
        [{key: value for key, value in record.items() if key != "samples_per_s"} for record in records],
        {key: value for key, value in summary.items() if key != "wall_time_s"},
        {key: value for key, value in config.items() if key not in free},
        (run / "examples.json").read_text(),
    )


def check_all(points, chosen, fate, tmp_path, die, go_on, expected):
    deaths = 0
    for at in chosen:
        run = tmp_path / f"run_{at}"
        code = die(run, at, FATES[fate])
        assert code in ENDS, points[at]
        deaths += code != 0
        go_on(run)
        assert outcome(run) == expected, points[at]
    assert deaths


@pytest.mark.fault("R1")
@pytest.mark.fault("R4")
@pytest.mark.parametrize(
    ("fate", "every"), [("killed", 25), *(pytest.param(fate, 1, marks=pytest.mark.slow) for fate in FATES)]
)
def test_a_training_killed_at_any_moment_goes_on_to_the_same_end(start, tmp_path, fate, every):
    whole = tmp_path / "whole"
    points = points_of(lambda: start(whole), whole)
    expected = outcome(whole)
    assert {"save_file model.safetensors", "open metrics.jsonl", "fsync"} <= set(points)

    def die(run, at, fate):
        return run_with(lambda: start(run), run, at, fate)[0]

    def go_on(run):
        assert start(run, resume=(run / "config.json").exists()) == 0

    check_all(points, range(0, len(points), every), fate, tmp_path, die, go_on, expected)


@pytest.mark.slow
@pytest.mark.fault("R1")
def test_an_overwriting_killed_at_any_moment_can_be_begun_again(start, tmp_path):
    whole = tmp_path / "whole"
    assert start(whole, seed=1) == 0
    points = points_of(lambda: start(whole, overwrite=True), whole)
    expected = outcome(whole)
    until = points.index("save_file model.safetensors")  # what follows is a training like any other

    def die(run, at, fate):
        assert start(run, seed=1) == 0
        return run_with(lambda: start(run, overwrite=True), run, at, fate)[0]

    def go_on(run):
        assert start(run, overwrite=True) == 0

    check_all(points, range(0, until, 2), "killed", tmp_path, die, go_on, expected)


@pytest.mark.fault("R3")
def test_a_training_with_the_disk_full_says_so_and_goes_on_later(start, tmp_path):
    whole = tmp_path / "whole"
    points = points_of(lambda: start(whole), whole)
    expected = outcome(whole)
    saves = [at for at, point in enumerate(points) if point == "save_file model.safetensors"]
    for at in saves[1:2]:
        run = tmp_path / f"run_{at}"
        code, said = run_with(lambda run=run: start(run), run, at, FullDisk(0))
        assert code == 1
        assert said.startswith("OSError: cannot write")
        assert start(run, resume=True) == 0
        assert outcome(run) == expected
