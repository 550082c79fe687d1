"""Killed at any moment while it saves, or with the disk full, a run has a whole checkpoint, and goes on."""

import shutil
import signal

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dist2_robot.checkpoints.store import load_policy, numbered_checkpoints, prune_checkpoints
from tests.checkpoints.saved import save
from tests.crashes import FullDisk, killed, points_of, run_with, torn
from tests.training.tiny import tiny_policy

FATES = {"killed": killed, "torn": torn(300)}
ENDS = (0, -signal.SIGKILL, -signal.SIGXFSZ)
WEIGHTS = {seed: tiny_policy(seed).state_dict()["trunk.queries"] for seed in range(4)}


def steps(run):
    return [load_policy(folder)[1].step for folder in numbered_checkpoints(run)]


def seed_of(checkpoint):
    """Return the seed of a checkpoint's weights."""
    queries = load_policy(checkpoint)[0].state_dict()["trunk.queries"]
    return next(seed for seed, weights in WEIGHTS.items() if torch.equal(weights, queries))


# What is saved before -> what is saved then, as (step, seed of the weights).
CASES = {
    "the next": ([(1, 1)], (2, 2)),
    "one to prune": ([(1, 1), (2, 2)], (3, 3)),
    "the same": ([(1, 1)], (1, 2)),
    "the same, killed before": ([(1, 1)], (1, 2)),
}


@pytest.mark.fault("R1")
@pytest.mark.parametrize(
    ("case", "fate"),
    [
        ("the same", "killed"),
        ("the same, killed before", "killed"),
        ("the next", "torn"),
        pytest.param("the same", "torn", marks=pytest.mark.slow),
        pytest.param("one to prune", "killed", marks=pytest.mark.slow),
        pytest.param("one to prune", "torn", marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_moment_a_whole_checkpoint_loads(tmp_path, case, fate):
    before, (step, seed) = CASES[case]
    template = tmp_path / "template"
    for old in before:
        save(template, *old)

    if case == "the same, killed before":  # between the two renames, in which a new one takes its place
        shutil.copytree(template / "checkpoints/step_0000001", template / "checkpoints/.step_0000001.unfinished")
        (template / "checkpoints/step_0000001").rename(template / "checkpoints/.step_0000001.replaced")

    def save_next(run):
        save(run, step, seed)
        prune_checkpoints(run, keep=2)

    def run_of(name):
        return shutil.copytree(template, tmp_path / name)

    whole = run_of("whole")
    points = points_of(lambda: save_next(whole), whole)
    assert sum(point.startswith("os.rename") for point in points) >= 1 + (case != "the next")
    deaths = 0
    for at, point in enumerate(points):
        run = run_of(f"run_{at}")
        code, _ = run_with(lambda run=run: save_next(run), run, at, FATES[fate])
        assert code in ENDS, point
        deaths += code != 0
        loaded = load_policy(run)[1].step, seed_of(run)
        assert loaded in (before[-1], (step, seed)), point
        assert all(load_policy(folder) for folder in numbered_checkpoints(run))
        save_next(run)
        assert (load_policy(run)[1].step, seed_of(run)) == (step, seed), point
        assert steps(run) == [*sorted({old for old, _ in before} | {step})][-2:]
        assert all(not path.name.startswith(".") for path in (run / "checkpoints").iterdir()), point
    assert deaths >= (len(points) if fate == "killed" else 3)


@pytest.mark.slow
@pytest.mark.fault("R1")
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_killed_again_and_again_a_whole_checkpoint_loads(tmp_path_factory, data):
    run = tmp_path_factory.mktemp("run")
    save(run, 1, 1)

    def save_next(step, seed):
        save(run, step, seed)
        prune_checkpoints(run, keep=2)

    for _ in range(5):
        step, seed = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 3))
        at, fate = data.draw(st.integers(0, 40)), data.draw(st.sampled_from(sorted(FATES)))
        assert run_with(lambda step=step, seed=seed: save_next(step, seed), run, at, FATES[fate])[0] in ENDS
        assert steps(run)


@pytest.mark.fault("R3")
@pytest.mark.parametrize("room", [0, pytest.param(1000, marks=pytest.mark.slow)])  # bytes that a file still gets
@pytest.mark.parametrize("case", ["the next", "the same", pytest.param("one to prune", marks=pytest.mark.slow)])
def test_with_the_disk_full_at_any_moment_the_checkpoints_before_stay(tmp_path, case, room):
    before, (step, seed) = CASES[case]
    template = tmp_path / "template"
    for old in before:
        save(template, *old)
    whole = shutil.copytree(template, tmp_path / "whole")
    failures = 0
    for at, point in enumerate(points_of(lambda: save(whole, step, seed), whole)):
        run = shutil.copytree(template, tmp_path / f"run_{at}")
        code, said = run_with(lambda run=run: save(run, step, seed), run, at, FullDisk(room))
        assert code in (0, 1), point
        if code:
            failures += 1
            assert said.startswith(f"OSError: cannot write '{run / 'checkpoints'}"), (point, said)
            assert "No space left" in said or "too large" in said
            assert said.endswith("the checkpoints before it are intact")
            assert all(not path.name.startswith(".") for path in (run / "checkpoints").iterdir()), point
        assert (load_policy(run)[1].step, seed_of(run)) in (before[-1], (step, seed)), point
        assert {old for old, _ in before} <= set(steps(run)), point
    assert failures >= 8
