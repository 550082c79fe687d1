"""The held-out error against a computation by hand."""

import math

import pytest
import torch

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.data.folder import open_folder
from dist2_robot.data.table import FrameTable, read_table
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.training.examples import distribution_examples
from dist2_robot.training.validation import validate
from tests.data.recordings import SPEC
from tests.training.tiny import CONFIG, tiny_policy

CPU = torch.device("cpu")
HORIZON = CONFIG["tokenizer"]["horizon"]


@pytest.fixture(scope="module")
def windows(reach):
    table = read_table(open_folder(reach))
    return ChunkWindows(table, table.frames_of([1, 4]), HORIZON)


def test_the_error_is_the_mean_distance_in_the_unit_of_each_dimension(windows):
    policy = tiny_policy().eval()
    loss = build_loss(policy.tokenizer, {"name": "cross_entropy"})
    result = validate(policy, loss, windows, CPU)

    sums, steps, by_step, losses = torch.zeros(2).double(), 0, [[] for _ in range(HORIZON)], []
    for i in range(len(windows)):
        batch = windows.gather(torch.tensor([i]))
        predicted = policy.act(batch.observation).actions[0]
        logits = policy(batch.observation).detach()
        log_probabilities = torch.log_softmax(logits[0], -1).gather(
            1, policy.tokenizer.encode(batch.actions)[0, :, None]
        )
        for t in range(HORIZON):
            if not batch.is_padding[0, t]:
                error = (predicted[t] - batch.actions[0, t]).abs().double()
                sums, steps = sums + error, steps + 1
                by_step[t].append(float((error[0] / 0.05 + error[1] / 1.0) / 2))  # the tolerances of the spec
        losses.append(float(-log_probabilities.view(HORIZON, 2)[~batch.is_padding[0]].mean()))
    assert result.action_error == pytest.approx(dict(zip(SPEC.names, (sums / steps).tolist(), strict=True)))
    assert result.action_error_by_step == pytest.approx([sum(errors) / len(errors) for errors in by_step])
    whole = windows.gather(torch.arange(len(windows)))
    weights = (~whole.is_padding).sum(1).double()
    assert result.loss == pytest.approx(float((torch.tensor(losses) * weights).sum() / weights.sum()), rel=1e-5)

    record = result.record(policy)
    assert record["units"] == {"x": "cm", "gripper": "%"}


def test_an_angle_errs_the_short_way_round():
    spec = ActionSpec((ActionDimension("yaw", "joint", "rad", -math.pi, math.pi, wraps=True),), "absolute", 10, "robot")
    policy = tiny_policy(
        spec=spec, changes={"observation": {"numbers": {"observation.state": 1}}, "decoding": "argmax"}
    ).eval()
    with torch.no_grad():  # a policy that always turns to the last bin, next to pi
        policy.head.linear.weight.zero_()
        policy.head.linear.bias.copy_(torch.nn.functional.one_hot(torch.tensor(15), 16).float())
    actions = torch.full((5, 1), -math.pi + 0.01)
    features = {"observation.state": torch.zeros(5, 1), "action": actions}
    zero = torch.tensor([0])
    table = FrameTable(features, zero, torch.tensor([5]), "", tasks=(), task_numbers=-torch.ones(5).long(), parts=zero)
    loss = build_loss(policy.tokenizer, {"name": "cross_entropy"})
    result = validate(policy, loss, ChunkWindows(table, torch.arange(5), HORIZON), CPU)
    half_a_bin = math.pi / 16
    assert result.action_error == {"yaw": pytest.approx(half_a_bin + 0.01, rel=1e-4)}


def test_examples_show_the_target_of_the_loss_and_real_actions(windows):
    policy = tiny_policy().eval()
    distance = {"name": "absolute", "unit": "tolerance"}
    loss = build_loss(policy.tokenizer, {"name": "dist2", "tau": 2.0, "distance": distance})
    assert isinstance(loss, Dist2Loss)
    examples = distribution_examples(policy, loss, windows, CPU)
    assert [example["dimension"] for example in examples] == ["x", "gripper", "x", "gripper"]
    for example in examples:
        values, target = torch.tensor(example["values"]), torch.tensor(example["target"])
        tolerance = {"x": 0.05, "gripper": 1.0}[example["dimension"]]
        nearest = values[(values - example["truth"]).abs().argmin()]
        torch.testing.assert_close(target, torch.softmax(-(values - nearest).abs() / tolerance / 2.0, 0))
        assert sum(example["predicted"]) == pytest.approx(1.0, rel=1e-5)

    one_hot = distribution_examples(policy, build_loss(policy.tokenizer, {"name": "cross_entropy"}), windows, CPU)
    assert all(sorted(example["target"])[-2:] == [0.0, 1.0] for example in one_hot)
