"""dist2-eval of a policy of several environments, and how those are chosen."""

import json

import numpy as np
import pytest
import torch

from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.environments import as_seen, choose_environments
from dist2_robot.errors import InputError
from dist2_robot.models.conv_encoder import ConvEncoder
from dist2_robot.pictures import resize
from dist2_robot.rollouts.environment import EnvironmentSpec, make_environment, to_features
from dist2_robot.types import ObservationSpec
from tests.cli.small import SMALL

AROUND = {"id": "gym_dist2/PointAround-v0", "kwargs": {}}


def chosen(*options):
    return choose_environments(compose_config("eval", ["checkpoint=run", *options])["env"], RECORDED)


FRONT, WRIST = "observation.images.front", "observation.images.wrist"
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


def test_an_environment_draws_in_the_recorded_size():
    plain = EnvironmentSpec("some/Env-v0")
    for recorded, wanted in {(84, 84): 84, (48, 64): [48, 64]}.items():
        spec = ObservationSpec({}, {FRONT: (64, 64)}, recorded={FRONT: recorded})
        assert as_seen(plain, spec).kwargs["image_size"] == wanted
    cameras = {FRONT: (64, 64), WRIST: (64, 64)}
    larger = ObservationSpec({}, cameras, recorded={FRONT: (48, 64), WRIST: (96, 128)})
    assert as_seen(plain, larger).kwargs["image_size"] == [96, 128]
    with pytest.raises(InputError, match="48 x 64 and 84 x 84"):
        as_seen(plain, ObservationSpec({}, cameras, recorded={FRONT: (48, 64), WRIST: (84, 84)}))
    adapted = EnvironmentSpec("gym_dist2/Adapted-v0", {"env_id": "a/B-v0"})
    assert as_seen(adapted, larger).kwargs == adapted.kwargs


@pytest.mark.parametrize("recorded", [(84, 84), (48, 64)])
def test_a_policy_sees_in_rollouts_what_it_saw_in_training(recorded):
    """The picture that is drawn as it was recorded, resized by the policy, is the one that training resized."""
    environment = EnvironmentSpec("gym_dist2/Reach-v0")
    spec = ObservationSpec({}, {FRONT: (32, 32)}, recorded={FRONT: recorded})
    env = make_environment(as_seen(environment, spec))
    drawn = to_features(env.reset(seed=3)[0])[FRONT]
    assert drawn.shape == env.observation_space["pixels"]["front"].shape == (*recorded, 3)
    env.close()
    trained_on = resize(torch.from_numpy(drawn)[None], (32, 32))
    eye = ConvEncoder((32, 32), width=8, channels=8)
    seen = eye.scaled(torch.from_numpy(drawn)[None]), eye.scaled(trained_on)
    assert torch.equal(*seen)
    small = make_environment(as_seen(environment, ObservationSpec({}, {FRONT: (32, 32)})))
    other = to_features(small.reset(seed=3)[0])[FRONT]
    small.close()
    assert (np.abs(other.astype(int) - trained_on[0].numpy()) > 20).mean() > 0.002  # what was seen before


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
