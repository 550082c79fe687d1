"""dist2-eval of a policy of several environments, and how those are chosen."""

import json

import pytest

from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.environments import as_seen, choose_environments
from dist2_robot.errors import InputError
from dist2_robot.rollouts.environment import EnvironmentSpec
from dist2_robot.types import ObservationSpec
from tests.cli.small import SMALL

AROUND = {"id": "gym_dist2/PointAround-v0", "kwargs": {}}


def chosen(*options):
    return choose_environments(compose_config("eval", ["checkpoint=run", *options])["env"], RECORDED)


RECORDED = [{"id": "gym_dist2/MetaWorld-v0", "kwargs": {"task": task}} for task in ("push-v3", "pick-place-v3")]


def test_a_list_of_tasks_is_an_environment_each():
    found = chosen("env=metaworld", "task=[push-v3,reach-v3]")
    assert [environment.kwargs["task"] for environment in found] == ["push-v3", "reach-v3"]
    assert {environment.id for environment in found} == {"gym_dist2/MetaWorld-v0"}
    (one,) = chosen("env=metaworld", "task=push-v3")
    assert one == found[0]


def test_all_that_was_recorded_is_chosen_unless_another_is_named():
    assert [environment.kwargs["task"] for environment in chosen()] == ["push-v3", "pick-place-v3"]
    assert [environment.id for environment in chosen("env=point_around")] == [AROUND["id"]]
    assert chosen("env=none") == []
    with pytest.raises(InputError, match=r"task=\.\.\."):
        chosen("env=metaworld")


def test_an_environment_shows_what_the_policy_looks_at():
    plain = EnvironmentSpec("some/Env-v0", {"task": "push"})
    assert as_seen(plain, ObservationSpec({"observation.state": 3})) == plain
    cameras = {"observation.images.top": (64, 96), "observation.images.wrist": (32, 32)}
    seen = as_seen(plain, ObservationSpec({"observation.state": 3}, cameras, history=3))
    assert seen.kwargs == {"task": "push", "cameras": ("top", "wrist"), "image_size": 96}
    assert seen.history == 3
    assert plain.kwargs == {"task": "push"}


@pytest.mark.slow
def test_each_task_has_its_results_and_all_have_them_together(command, tmp_path):
    for name in ("around", "again"):
        options = ["env=point_around", "episodes=3", "workers=1", f"dataset.root={name}"]
        assert command("dist2-collect", *options).code == 0
    recording = tmp_path / "again" / "meta" / "dist2_robot.json"  # as if it came from an environment that differs
    other = {**AROUND, "kwargs": {"render_size": 120}}
    recording.write_text(json.dumps({**json.loads(recording.read_text()), "environment": other}))
    options = [option for option in SMALL if option != "env=none"] + ["dataset.root=[around,again]", "policy.history=2"]
    assert command("dist2-train", *options, "output=run", "trainer.steps=3").code == 0
    manifest = next((tmp_path / "run" / "checkpoints").glob("step_*/manifest.json"))
    assert json.loads(manifest.read_text())["environments"] == [AROUND, other]

    outcome = command("dist2-eval", "checkpoint=run", "episodes=2", "n_action_steps=3", "workers=0", "videos=0")
    assert outcome.code == 0, outcome.err
    together = json.loads((tmp_path / "run" / "eval" / "results.json").read_text())
    assert together["episodes"] == 4
    names = [row["name"] for row in together["per_task"]]
    assert names == ["0_PointAround-v0", "1_PointAround-v0"]
    for name in names:
        alone = json.loads((tmp_path / "run" / "eval" / name / "results.json").read_text())
        assert alone["episodes"] == 2
        assert alone["task"] == "Go around the obstacle to the goal."
        assert name in outcome.out
    assert "all " in outcome.out
