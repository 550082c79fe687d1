"""Answers to what is asked about a picture: how they are judged, and that all methods begin alike."""

import pytest
import torch

from dist2_robot.claims.grounding import METHODS, judge_boxes
from dist2_robot.claims.manipulation import METHODS as WRITTEN
from dist2_robot.claims.manipulation import judge_places
from dist2_robot.claims.pointing import MAPS_A_POINT, Pretraining, cells_of, pretrained, seen_by
from dist2_robot.claims.scenes import scenes
from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.study import build_claim
from dist2_robot.rollouts.environment import EnvironmentSpec, make_environment
from dist2_robot.types import ACTION, STATE

GROUNDING, PLACE = "gym_dist2/Grounding-v0", "gym_dist2/TablePlace-v0"
EYE = {"scenes": 8, "steps": 1, "batch_size": 4, "learning_rate": 1e-3, "width": 8, "channels": 8}
TINY = [
    *("study.seeds=[0]", "study.sizes=[4,8]", "study.primary_size=4", "study.held_out=5", "study.image_size=32"),
    *("study.width=8", "study.depth=1", "study.steps=4", "study.batch_size=4"),
    *(f"study.pretraining.{name}={value}" for name, value in EYE.items()),
]


def test_boxes_are_judged_by_what_they_share():
    truth = torch.tensor([[0.2, 0.2, 0.6, 0.4]] * 3)
    moved = truth + torch.tensor([[0.0], [0.2], [0.0]]) * torch.tensor([1.0, 0.0, 1.0, 0.0])
    moved[2] = truth[2, [2, 3, 0, 1]]  # inside out
    found = judge_boxes(moved, truth)
    assert found["accuracy"] == pytest.approx(1 / 3)
    assert found["mean_iou"] == pytest.approx((1 + 1 / 3) / 3)
    assert found["failed_iou"] == pytest.approx(1 / 6)
    assert "failed_iou" not in judge_boxes(truth, truth)
    assert judge_boxes(torch.zeros(1, 4), torch.zeros(1, 4))["accuracy"] == 0


def test_the_turn_is_judged_round_the_circle_and_every_part_counts():
    truth = torch.tensor([[0.5, 0.5, 0.2, 0.2, 175.0]])
    for change, right in (([0, 0, 0, 0, -355], 1), ([0.05, 0, 0, 0, 0], 1), ([0.05, 0.05, 0, 0, 0], 0),
                          ([0, 0, 0.08, 0, 0], 0), ([0, 0, 0, 0, 11], 0)):  # fmt: skip
        assert judge_places(truth + torch.tensor([change]), truth, "l2")["success_l2"] == right


def test_the_claim_judges_as_the_environment_does():
    env = make_environment(EnvironmentSpec(PLACE, {}))
    generator = torch.Generator().manual_seed(0)
    for seed in range(40):
        env.reset(seed=seed)
        right = torch.from_numpy(env.unwrapped.expert_action())  # type: ignore[attr-defined]
        answer = right + torch.randn(5, generator=generator) * torch.tensor([0.03, 0.03, 0.03, 0.03, 6.0])
        _, _, _, _, info = env.step(answer.numpy())
        assert info["is_success"] == (judge_places(answer[None], right[None], "l1")["success_l1"] == 1)
    env.close()


def test_cells_hold_their_points():
    points = torch.tensor([[[0.0, 0.0], [0.99, 0.3]], [[1.0, 1.0], [0.5, 0.49]]])
    assert cells_of(points, torch.Size([4, 2])).tolist() == [[0, 3], [7, 3]]


@pytest.mark.parametrize(("environment", "points"), [(GROUNDING, (((0, 2), (1, 3)),)), (PLACE, None)])
def test_an_eye_tells_where_its_maps_point(environment, points):
    how = Pretraining(environment, (("image_size", 32),), points, seed=0, **EYE)
    drawn = scenes(environment, {"image_size": 32}, "train", 0, 6)
    eye = pretrained(how)
    seen = seen_by(eye, drawn)
    maps = eye(drawn.gather(torch.arange(6)).observation)[0]
    assert maps.shape[1] == MAPS_A_POINT * (2 if points is None else 1)
    x = torch.linspace(-1, 1, maps.shape[-1])
    expected = (maps.flatten(2).softmax(-1).view_as(maps).sum(2) * x).sum(-1)
    told = seen.table.features[STATE].view(6, maps.shape[1], -1)
    assert torch.allclose(told[:, :, 0], expected, atol=1e-5)
    assert torch.equal(seen.table.features[ACTION], drawn.table.features[ACTION])
    assert set(seen.table.features) == {STATE, ACTION}
    fewer = scenes(environment, {"image_size": 32}, "train", 0, 3)
    assert torch.equal(drawn.table.features[ACTION][:3], fewer.table.features[ACTION])


@pytest.mark.parametrize("name", ["claim_grounding", "claim_manipulation"])
def test_every_method_answers_alike_from_the_same_start(name, tmp_path):
    claim = build_claim(compose_config("study", [f"study={name}", *TINY])["study"])
    methods = {trial.method: trial for trial in claim.trials if trial.part == "core" and trial.size == 4}
    assert set(methods) == set(METHODS if name == "claim_grounding" else WRITTEN)
    for trial in methods.values():
        found = claim.execute(trial, tmp_path)
        measured = {measure.name for measure in claim.measures}
        assert measured - set(found) <= {"failed_iou"}
    assert claim.execute(trial, tmp_path) == found
