import multiprocessing
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from dist2_robot.errors import InputError
from dist2_robot.rollouts.environment import EnvironmentSpec
from dist2_robot.rollouts.runner import INFERENCE_ROWS, run_episodes

SEEDS = [11, 12, 13, 14, 15, 16, 17]


def stride(features):
    """Go right, the more so the further down one is."""
    state = features["observation.state"]
    return np.repeat(np.stack([0.4 - 0.1 * np.tanh(state[:, 1]), 0.1 * state[:, 0]], axis=-1)[:, None], 4, axis=1)


def run(spec, seeds=SEEDS, act=stride, **changes):
    arguments = {"workers": 2, "batch_size": 3, "n_action_steps": 4} | changes
    return run_episodes(act, spec, seeds, **arguments)


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    assert not multiprocessing.active_children()


def outcomes(results):
    return [result.outcome for result in results]


@pytest.mark.fault("R10")
def test_results_depend_neither_on_workers_nor_on_the_run(walk):
    alone, pair, again = (run(walk(), workers=workers) for workers in (1, 2, 2))
    assert alone == pair == again
    assert [(result.index, result.seed) for result in alone] == list(enumerate(SEEDS))
    assert len({result.jerk for result in alone}) == len(SEEDS)  # episodes differ, so equality says something


@pytest.mark.parametrize("batch_size", [1, 7, 50])
def test_results_do_not_depend_on_how_many_episodes_run_at_a_time(walk, batch_size):
    seeds = range(20)
    assert run(walk(), seeds, batch_size=batch_size) == run(walk(), seeds, batch_size=16)


def test_an_episode_is_the_same_whenever_others_end(walk):
    results = run(walk(), SEEDS)
    disturbed = run(walk(faults={11: (3, "end"), 14: (9, "end")}), SEEDS)
    assert [result.steps for result in disturbed] == [3, 20, 20, 9, 20, 20, 20]
    kept = [0, 3]
    assert [r for r in results if r.index not in kept] == [r for r in disturbed if r.index not in kept]


def test_the_policy_always_sees_as_many_rows_and_its_first_actions_are_executed(walk):
    shapes = []

    def act(features):
        shapes.append(features["observation.state"].shape)
        return stride(features)

    run(walk(), SEEDS[:4], act=act, n_action_steps=2)
    assert set(shapes) == {(INFERENCE_ROWS, 2)}
    assert len(shapes) == 2 * 20 / 2  # two episodes one after the other in slot 0, asked every second step


def test_success_at_any_step_and_at_the_end_are_told_apart(walk):
    def back_and_forth(features):
        return np.tile(np.array([1.0] * 10 + [-1.0] * 10)[None, :, None], (INFERENCE_ROWS, 1, 2))

    passed = run(walk(goal=7.0), act=back_and_forth, n_action_steps=20)
    assert outcomes(passed) == ["success"] * len(SEEDS)
    assert all(5 <= result.success_step <= 10 and not result.success_at_end for result in passed)
    assert all(result.steps == 20 for result in passed)  # it went on after the success
    stayed = run(walk(goal=7.0), act=back_and_forth, n_action_steps=10)
    assert all(result.success_at_end for result in stayed)
    missed = run(walk(goal=7.0), act=back_and_forth, n_action_steps=20, max_steps=3)
    assert [(result.outcome, result.steps, result.success_step) for result in missed] == [("failure", 3, None)] * 7


@pytest.mark.fault("R12")
@pytest.mark.fault("R13")
@pytest.mark.fault("R14")
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raise", "RuntimeError: the floor is gone"),
        ("simulation_error", "the floor is lava"),
        ("die", "the worker died (exit code 7)"),
        ("hang", "no sign of life for 1 s"),
    ],
)
def test_a_fault_is_an_error_of_its_episode_and_the_run_goes_on(walk, fault, message):
    told = []
    results = run(
        walk(faults={13: (6, fault)}),
        workers=3,
        step_timeout_s=1.0,
        on_episode=lambda result: told.append(result.index),
    )
    assert outcomes(results) == ["error" if seed == 13 else "success" for seed in SEEDS]
    assert message in results[2].message
    assert sorted(told) == list(range(7))
    healthy = run(walk())
    assert [r for r in results if r.seed != 13] == [r for r in healthy if r.seed != 13]


@pytest.mark.fault("R12")
def test_a_dead_worker_takes_only_its_own_episodes_along(walk):
    results = run(walk(faults={12: (6, "die")}), batch_size=4, workers=2)
    assert outcomes(results[:4]) == ["success", "error", "success", "error"]  # slots 1 and 3 share a worker
    assert outcomes(results[4:]) == ["success"] * 3
    assert sum(Counter(outcomes(results)).values()) == len(SEEDS)


@pytest.mark.fault("D1")
def test_an_action_that_is_not_finite_is_an_error(walk):
    def act(features):
        return np.where(features["observation.state"][:, None, :1] > 2.0, np.nan, stride(features))

    results = run(walk(goal=100.0), act=act)
    assert set(outcomes(results)) == {"error"}
    assert "not finite" in results[0].message


def test_wrong_input_is_told_at_once(walk):
    with pytest.raises(InputError, match="no such walk"):
        run(walk(fails_to_build=True))
    with pytest.raises(InputError, match="unexpected"):
        run(walk(legs=4))
    with pytest.raises(ValueError, match=r"\(3, 1, 2\)"):
        run(walk(), act=lambda features: np.zeros((3, 1, 2)))


@pytest.mark.parametrize("raised", [KeyboardInterrupt, RuntimeError])
def test_whatever_the_policy_raises_ends_the_workers(walk, raised):
    def act(features):
        raise raised

    with pytest.raises(raised):
        run(walk(), act=act)


def test_filming_changes_nothing_but_the_frames(walk):
    results = run(walk(), film=[1])
    frames = results[1].frames
    assert frames.shape == (11, 16, 16, 3)  # before the first action, and after every second
    assert results[1].frames_hz == 16
    assert frames[:, 0, 0, 0].tolist() == list(range(0, 21, 2))
    assert [replace(result, frames=None, frames_hz=0.0) for result in results] == run(walk())


def test_no_seeds_no_episodes():
    assert run(EnvironmentSpec("fake/Walk-v0"), []) == []


@pytest.mark.slow
@pytest.mark.fault("R10")
def test_meta_world_gives_the_same_episodes_with_one_worker_and_two():
    pytest.importorskip("metaworld")
    spec = EnvironmentSpec("gym_dist2/MetaWorld-v0", {"task": "push-v3"})

    def act(features):
        return np.clip(np.cumsum(features["observation.environment_state"][:, :32].reshape(-1, 8, 4), axis=1), -1, 1)

    alone, pair = (run(spec, [5, 6, 7], act=act, workers=workers, n_action_steps=8) for workers in (1, 2))
    assert alone == pair
    assert all(result.steps == 500 and np.isfinite(result.jerk) for result in alone)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_episode_ends_where_its_watcher_says_and_keeps_what_it_had_done(walk, workers):
    seen = {}

    def watch(index, steps, features):
        seen.setdefault(index, []).append(steps)
        return index in (1, 4) and steps == 8

    whole, watched = run(walk(), workers=workers), run(walk(), workers=workers, watch=watch)
    assert [result.steps for result in watched] == [20, 8, 20, 20, 8, 20, 20]
    others = [0, 2, 3, 5, 6]
    assert [whole[i] for i in others] == [watched[i] for i in others]
    assert seen[0] == [0, 4, 8, 12, 16]
    assert seen[1] == [0, 4, 8]
    passed = run(walk(goal=1.0), workers=workers, watch=lambda index, steps, features: steps == 12)
    assert outcomes(passed) == ["success"] * len(SEEDS)


def test_rewards_add_up_and_what_is_measured_is_kept(walk):
    results = run(walk(tells=True, faults={12: (5, "end"), 13: (2, "raise")}), [11, 12, 13], batch_size=2)
    whole, short, broken = results
    assert (whole.episode_return, short.episode_return) == (5.0, 1.25)
    assert whole.progress == {"height": (3.0, -13.0), "steps": (20.0, 20.0)}  # the last height was no number
    assert short.progress == {"height": (3.0, 1.0), "steps": (5.0, 5.0)}
    assert broken.outcome == "error"
    assert np.isnan(broken.episode_return)
    assert broken.progress == {}
    assert run(walk(), [11])[0].progress == {}
