"""The held-out loss, and the distributions that are shown, against computations by hand."""

import pytest
import torch

from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.data.folder import open_folder
from dist2_robot.data.table import read_table
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.training.examples import distribution_examples
from dist2_robot.training.validation import held_out_loss
from tests.data.recordings import SPEC
from tests.training.tiny import CONFIG, tiny_policy

CPU = torch.device("cpu")
HORIZON = CONFIG["tokenizer"]["horizon"]


@pytest.fixture(scope="module")
def windows(reach):
    table = read_table(open_folder(reach))
    return ChunkWindows(table, table.frames_of([1, 4]), HORIZON)


def test_the_loss_is_the_mean_over_what_there_is_to_predict(windows):
    policy = tiny_policy().eval()
    loss = build_loss(policy.tokenizer, {"name": "cross_entropy"})
    losses = []
    for i in range(len(windows)):
        batch = windows.gather(torch.tensor([i]))
        log_probabilities = torch.log_softmax(policy(batch.observation).detach()[0], -1)
        of_truth = log_probabilities.gather(1, policy.tokenizer.encode(batch.actions)[0, :, None])
        losses.append(-of_truth.view(HORIZON, len(SPEC))[~batch.is_padding[0]].flatten())
    expected = float(torch.cat(losses).mean())
    assert held_out_loss(policy, loss, windows, CPU) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 5, 22])
def test_batches_of_any_size_give_the_loss_of_all_windows_at_once(windows, batch_size):
    # Windows at the end of an episode hold less to predict: a batch of them must not count like a full one.
    policy = tiny_policy().eval()
    loss = build_loss(policy.tokenizer, {"name": "cross_entropy"})
    whole = windows.gather(torch.arange(len(windows)))
    at_once = policy.loss(loss, whole).loss.item()
    assert whole.is_padding.any()
    assert held_out_loss(policy, loss, windows, CPU, batch_size=batch_size) == pytest.approx(at_once, rel=1e-6)


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
