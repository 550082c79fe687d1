"""Episodes simulated in this process are those that a worker process would have given."""

from dataclasses import replace

import pytest

from dist2_robot.rollouts import worker
from dist2_robot.rollouts.crew import LocalCrew
from dist2_robot.rollouts.environment import EnvironmentSpec
from dist2_robot.rollouts.runner import run_episodes
from tests.rollouts.test_runner import SEEDS, run


@pytest.mark.fault("R10")
@pytest.mark.parametrize("faults", [{}, {13: (6, "raise"), 15: (3, "end"), 16: (2, "simulation_error")}])
def test_episodes_are_those_of_a_worker(walk, faults):
    here, there = (run(walk(faults=faults), workers=workers) for workers in (0, 1))
    assert list(map(repr, here)) == list(map(repr, there))  # a short episode has a jerk of NaN


def test_a_crew_that_stays_gives_the_same_again_and_builds_each_slot_once(walk, monkeypatch):
    expected = run(walk(), workers=1)
    built, make = [], worker.make_environment
    monkeypatch.setattr(worker, "make_environment", lambda *arguments: built.append(arguments) or make(*arguments))
    crew = LocalCrew(walk())
    first, again, backwards = (run(walk(), seeds, crew=crew) for seeds in (SEEDS, SEEDS, SEEDS[::-1]))
    crew.close()
    assert first == again == expected
    assert [replace(result, index=6 - result.index) for result in backwards[::-1]] == first
    assert len(built) == 3


def test_a_slot_whose_environment_broke_gets_a_new_one(walk, monkeypatch):
    built, make = [], worker.make_environment
    monkeypatch.setattr(worker, "make_environment", lambda *arguments: built.append(arguments) or make(*arguments))
    run(walk(faults={SEEDS[0]: (6, "raise")}), workers=0)
    assert len(built) == 4


@pytest.mark.slow
@pytest.mark.fault("R10")
def test_meta_world_in_this_process_is_meta_world_in_a_worker():
    pytest.importorskip("metaworld")
    spec = EnvironmentSpec("gym_dist2/MetaWorld-v0", {"task": "push-v3"})
    options = {"batch_size": 2, "n_action_steps": 4, "max_steps": 40}

    def act(features):
        return features["observation.environment_state"][:, :16].reshape(-1, 4, 4).clip(-1, 1)

    crew = LocalCrew(spec)
    kept = [run_episodes(act, spec, [5, 6, 7], workers=0, crew=crew, **options) for _ in range(2)]
    crew.close()
    assert kept[0] == kept[1] == run_episodes(act, spec, [5, 6, 7], workers=1, **options)
