"""The claim on a robot's commands: methods are compared on the same lessons and the same initial states."""

from pathlib import Path

import pytest
import yaml

from dist2_robot.claims.claim import CORE
from dist2_robot.claims.robot import METHODS, claim_robot, job_of
from dist2_robot.config_dir import config_dir

SUCCESS = {"push-v3": 0.25, "pick-place-v3": 0.75}


def record(data, output):
    folder = output / data.folder
    folder.mkdir(parents=True)  # fails where it is recorded twice
    return {}


def train_and_evaluate(job, output):
    assert (output / job.data.folder).exists()
    return {"evaluations": [{"success_rate": SUCCESS[job.task], "action_error": 2.0}]}


@pytest.fixture(scope="module")
def claim():
    settings = yaml.safe_load((config_dir() / "study" / "claim_robot.yaml").read_text())
    del settings["name"], settings["kind"]
    return claim_robot(record=record, train_and_evaluate=train_and_evaluate, **settings)


def trials_of(claim, **wanted):
    return [trial for trial in claim.trials if all(getattr(trial, key) == value for key, value in wanted.items())]


def test_trials_of_a_seed_differ_in_the_method_alone(claim):
    jobs = [job_of(trial, "push-v3") for trial in trials_of(claim, part=CORE, size=10, seed=3)]
    assert len({job.method for job in jobs}) == len(METHODS)
    assert len({(job.data, job.options, job.seed, job.evaluation_seed, job.episodes) for job in jobs}) == 1
    assert "seed=3" in jobs[0].data.options


def test_each_seed_has_lessons_states_and_a_random_metric_of_its_own(claim):
    jobs = [job_of(trial, "push-v3") for trial in trials_of(claim, part=CORE, size=10, method="random")]
    for value in ("data", "evaluation_seed", "method"):
        assert len({getattr(job, value) for job in jobs}) == len(jobs)


def test_fewer_steps_are_trainings_of_their_own(claim):
    job = job_of(trials_of(claim, part="steps=250", seed=0)[0], "push-v3")
    assert "trainer.steps=250" in job.options


def test_a_trial_is_the_mean_over_tasks_and_demonstrations_are_recorded_once(claim, tmp_path: Path):
    for trial in trials_of(claim, part=CORE, size=10, seed=0)[:2]:
        found = claim.execute(trial, tmp_path)
        assert found["success"] == 0.5
        assert found["success_push-v3"] == 0.25
        assert found["action_error"] == 2.0


def test_every_measure_of_the_core_is_found(claim, tmp_path: Path):
    found = claim.execute(trials_of(claim, part=CORE)[0], tmp_path)
    assert set(found) == {measure.name for measure in claim.measures}
