"""Scores of held-out episodes against computations by hand, and the laws between them."""

import math

import numpy as np
import pytest
import torch

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.data.folder import open_folder
from dist2_robot.data.table import FrameTable, read_table
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.evaluation.held_out import score_held_out
from dist2_robot.types import ACTION
from tests.data.recordings import NAMES, SPEC, reach
from tests.training.tiny import CONFIG, tiny_policy

__all__ = ["reach"]

HORIZON = CONFIG["tokenizer"]["horizon"]
REGRESSION = {
    "name": "regression",
    "horizon": HORIZON,
    "observation": {"numbers": {name: len(names) for name, names in NAMES.items()}},
    "width": 8,
    "depth": 1,
    "attention_heads": 2,
}


@pytest.fixture(scope="module")
def windows(reach):
    table = read_table(open_folder(reach))
    return ChunkWindows(table, table.frames_of([1, 4]), HORIZON)


def one_episode(actions: torch.Tensor, horizon: int = HORIZON) -> ChunkWindows:
    zero, n = torch.tensor([0]), len(actions)
    features = {"observation.state": torch.zeros(n, 1), ACTION: actions}
    table = FrameTable(features, zero, torch.tensor([n]), "", tasks=(), task_numbers=-torch.ones(n).long(), parts=zero)
    return ChunkWindows(table, torch.arange(n), horizon)


def sure_policy(spec: ActionSpec, logits: torch.Tensor, **changes):
    """Return a policy that believes the same of whatever it sees."""
    changes = {"observation": {"numbers": {"observation.state": 1}}, "decoding": "argmax", **changes}
    policy = tiny_policy(spec=spec, changes=changes).eval()
    with torch.no_grad():
        policy.head.linear.weight.zero_()
        policy.head.linear.bias.copy_(logits)
    return policy


def test_every_mean_is_that_of_the_windows_one_by_one(windows):
    policy = tiny_policy().eval()
    scores = score_held_out(policy, windows)
    values, widths = policy.tokenizer.values()[:2].double(), policy.tokenizer.edges.diff(dim=1)
    errors, crps, nats = ([[[], []] for _ in range(HORIZON)] for _ in range(3))
    for i in range(len(windows)):
        batch = windows.gather(torch.tensor([i]))
        predicted = policy.act(batch.observation).actions[0].double()
        p = torch.softmax(policy(batch.observation)[0].detach().double(), -1).view(HORIZON, 2, -1)
        tokens = policy.tokenizer.encode(batch.actions)[0].view(HORIZON, 2)
        for t in range(HORIZON):
            if batch.is_padding[0, t]:
                continue
            for a in range(2):
                y = batch.actions[0, t, a].double()
                errors[t][a].append(float((predicted[t, a] - y).abs()))
                apart = (values[a][:, None] - values[a]).abs()
                of_pairs = float(p[t, a] @ apart @ p[t, a]) / 2
                crps[t][a].append(float(p[t, a] @ (values[a] - y).abs()) - of_pairs)
                nats[t][a].append(float(-(p[t, a, tokens[t, a]] / widths[a, tokens[t, a]]).log()))
    for name, by_hand in (("mae", errors), ("crps", crps), ("nll", nats)):
        by_step = [[np.mean(row[a]) for a in range(2)] for row in by_hand]
        np.testing.assert_allclose(scores.by_step(name), by_step, rtol=1e-5)
        by_dimension = [np.mean([x for row in by_hand for x in row[a]]) for a in range(2)]
        np.testing.assert_allclose(scores.by_dimension(name), by_dimension, rtol=1e-5)

    std = windows.table.features[ACTION][windows.frames].double().std(0, correction=0)
    share = np.mean([x / float(s) for x, s in zip(scores.by_dimension("mae"), std, strict=True)])
    assert scores.overall("mae") == pytest.approx(share)
    by_step = [[np.mean(row[a]) / tolerance for a, tolerance in enumerate((0.05, 1.0))] for row in errors]
    assert scores.error_in_tolerances() == pytest.approx(np.mean(by_step, axis=1))  # the tolerances of the spec
    assert scores.record()["units"] == {"x": "cm", "gripper": "%"}
    assert scores.record()["action_error"] == dict(zip(SPEC.names, scores.by_dimension("mae"), strict=True))


def test_episodes_weighed_by_their_numbers_add_up_to_the_whole(windows):
    content = score_held_out(tiny_policy().eval(), windows).to_dict()
    weights = [episode["numbers"] for episode in content["per_episode"]]
    assert weights == [2 * (3 * n - 3) for n in (9, 14)]  # less what is padding at the end of each
    assert [episode["episode"] for episode in content["per_episode"]] == [1, 4]
    for score, overall in content["overall"].items():
        episodes = [episode[score] for episode in content["per_episode"]]
        assert np.average(episodes, weights=weights) == pytest.approx(overall), score


def test_a_point_prediction_has_a_crps_that_is_its_error_and_nothing_that_is_made_up(windows):
    torch.manual_seed(0)
    content = score_held_out(build_policy(SPEC, REGRESSION).eval(), windows).to_dict()
    assert content["overall"]["crps"] == content["overall"]["mae"] > 0
    for dimension in content["dimensions"]:
        assert dimension["crps"] == dimension["mae"]
        assert dimension["crps_by_step"] == dimension["mae_by_step"]
        assert dimension["nll"] is dimension["coverage_50"] is dimension["coverage_90"] is None
    assert "predicts a point" in content["note"]


def test_tokens_that_are_no_numbers_have_an_error_only(windows):
    changes = {"tokenizer": {"name": "dct", "horizon": HORIZON, "bins": 16, "coefficients": 2}, "decoding": "argmax"}
    content = score_held_out(tiny_policy(changes=changes).eval(), windows).to_dict()
    assert content["overall"]["mae"] > 0
    assert [content["overall"][score] for score in ("crps", "nll", "coverage_50", "coverage_90")] == [None] * 4
    assert "not defined for this tokenizer" in content["note"]


def test_an_autoregressive_policy_is_scored_given_the_true_tokens(windows):
    policy = tiny_policy(changes={"generation": "autoregressive"}).eval()
    with torch.no_grad():
        policy.embedding.weight *= 20  # what came before matters
    scores = score_held_out(policy, windows)
    batch = windows.gather(torch.arange(len(windows)))
    tokens = policy.tokenizer.encode(batch.actions)
    log_p = torch.log_softmax(policy(batch.observation, tokens).detach().double(), -1)
    nats = -log_p.gather(-1, tokens[..., None])[..., 0].view(-1, HORIZON, 2)[~batch.is_padding].mean(0)
    widths = policy.tokenizer.edges.diff(dim=1).mean(1).log()
    assert scores.by_dimension("nll") == pytest.approx((nats + widths).tolist())
    points = (policy.act(batch.observation).actions - batch.actions).abs()[~batch.is_padding].double().mean(0)
    assert scores.by_dimension("mae") == pytest.approx(points.tolist())
    assert "true tokens" in scores.note


def test_an_angle_errs_the_short_way_round():
    spec = ActionSpec((ActionDimension("yaw", "joint", "rad", -math.pi, math.pi, wraps=True),), "absolute", 10, "robot")
    last = torch.nn.functional.one_hot(torch.tensor(15), 16).float()  # always to the last bin, next to pi
    scores = score_held_out(sure_policy(spec, 40 * last), one_episode(torch.full((5, 1), -math.pi + 0.01)))
    half_a_bin = math.pi / 16
    for score in ("mae", "crps"):
        assert scores.by_dimension(score) == [pytest.approx(half_a_bin + 0.01, rel=1e-4)]
    assert scores.overall("mae") is None  # it stands still: there is no standard deviation to share


def test_bins_of_other_sizes_and_numbers_have_the_same_density():
    spec = ActionSpec((ActionDimension("x", "joint", "m", 0.0, 2.0),), "absolute", 10, "robot")
    windows = one_episode(torch.linspace(0.1, 1.9, 30)[:, None])
    for bins in (4, 16):
        tokenizer = {"name": "uniform", "horizon": HORIZON, "bins": bins}
        scores = score_held_out(sure_policy(spec, torch.zeros(bins), tokenizer=tokenizer), windows)
        assert scores.by_dimension("nll") == [pytest.approx(math.log(2.0))]


def test_truths_beyond_the_limits_are_counted():
    spec = ActionSpec((ActionDimension("x", "joint", "m", 0.0, 1.0),), "absolute", 10, "robot")
    actions = torch.tensor([0.5, 1.0, 1.5, 0.25])[:, None]
    content = score_held_out(sure_policy(spec, torch.zeros(16)), one_episode(actions, 1 + HORIZON - 1)).to_dict()
    assert content["dimensions"][0]["outside_limits"] == pytest.approx(3 / 9)  # in each of three windows that see it


def test_steps_that_no_episode_reaches_have_no_error_at_all():
    spec = ActionSpec((ActionDimension("x", "joint", "m", 0.0, 1.0),), "absolute", 10, "robot")
    scores = score_held_out(sure_policy(spec, torch.zeros(16)), one_episode(torch.tensor([[0.1], [0.9]])))
    assert len(scores.error_in_tolerances()) == len(scores.to_dict()["mae_by_step"]) == 2 < HORIZON


def test_what_a_policy_draws_is_the_same_each_time_and_leaves_other_draws_alone(windows):
    policy = tiny_policy(changes={"decoding": "sample"}).eval()
    torch.manual_seed(3)
    first = score_held_out(policy, windows)
    after = torch.rand(1)
    assert first.by_dimension("mae") == score_held_out(policy, windows).by_dimension("mae")
    assert torch.rand(1, generator=torch.Generator().manual_seed(3)) == after


def test_an_episode_is_known_by_what_was_done_in_it(windows, reach):
    table = read_table(open_folder(reach)).take([4, 0, 1])
    moved = ChunkWindows(table, table.frames_of([0, 2]), HORIZON)
    keys = [dict(score_held_out(tiny_policy().eval(), some).episodes) for some in (windows, moved)]
    assert keys[0][1] == keys[1][2] != keys[0][4] == keys[1][0]


def test_numbers_that_are_not_finite_are_refused(windows):
    policy = tiny_policy().eval()
    with torch.no_grad():
        policy.head.linear.bias.fill_(math.nan)
    with pytest.raises(ValueError, match="not finite"):
        score_held_out(policy, windows)
