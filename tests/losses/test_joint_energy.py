"""Laws of the joint energy score of the modes of a chunk. B batch, T steps, A dimensions, K modes."""

import itertools
import math

import pytest
import torch

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.losses.joint_energy import JointEnergyLoss
from dist2_robot.losses.output import judge
from dist2_robot.tokenizers.uniform import UniformTokenizer
from dist2_robot.types import Modes, Prediction

T, A, K, B = 3, 2, 3, 4


def tokenizer(wraps=False):
    dimensions = (
        ActionDimension("x", "ee_position", "m", -2.0, 2.0, tolerance=0.1),
        ActionDimension("turn", "joint", "rad", -math.pi, math.pi, wraps=wraps, tolerance=0.05),
    )
    return UniformTokenizer(ActionSpec(dimensions, "absolute", 10.0, "test"), horizon=T, bins=32)


def predicted(weights, chunks, cut):
    """Return modes with the weights (B, K) whose means are the chunks (B, K, T, A)."""
    middle, half = cut.points().axis()
    tolerance = torch.tensor([d.tolerance for d in cut.spec.dimensions], dtype=torch.float64)
    means = ((chunks.double() / tolerance - middle[:, 0]) / half).flatten(2).transpose(1, 2)
    return Prediction(torch.zeros(len(means), T * A, 32), Modes(weights.log(), means, torch.ones_like(means)))


def score(weights, chunks, truth, cut, is_padding=None):
    mask = None if is_padding is None else cut.padding_mask(is_padding)
    loss = JointEnergyLoss(cut.points())
    given = {"target_values": cut.to_values(truth), "padding_mask": mask}
    return judge(loss, predicted(weights, chunks, cut), cut.encode(truth), **given).loss.item()


def draw(seed=0):
    torch.manual_seed(seed)
    weights = torch.rand(B, K, dtype=torch.float64).softmax(-1)
    return (
        weights,
        torch.rand(B, K, T, A, dtype=torch.float64) * 3 - 1.5,
        torch.rand(B, T, A, dtype=torch.float64) * 3 - 1.5,
    )


def apart(a, b, cut):
    """Return the mean over steps of the root mean square over dimensions, in tolerances, for chunks (T, A)."""
    rows = []
    for step in range(T):
        squares = []
        for column, dimension in enumerate(cut.spec.dimensions):
            difference = float(a[step, column] - b[step, column])
            if dimension.wraps:
                difference = math.remainder(difference, 2 * math.pi)
            squares.append((difference / dimension.tolerance) ** 2)
        rows.append(math.sqrt(sum(squares) / A))
    return sum(rows) / T


@pytest.mark.parametrize("wraps", [False, True])
def test_it_equals_its_formula_term_by_term(wraps):
    cut, (weights, chunks, truth) = tokenizer(wraps), draw()
    expected = 0.0
    for w, modes, y in zip(weights.tolist(), chunks, truth, strict=True):
        expected += sum(w[k] * apart(modes[k], y, cut) for k in range(K))
        expected -= sum(w[j] * w[k] * apart(modes[j], modes[k], cut) for j, k in itertools.combinations(range(K), 2))
    assert score(weights, chunks, truth, cut) == pytest.approx(expected / B, rel=1e-4)


def test_with_one_mode_it_is_regression():
    cut, (_, chunks, truth) = tokenizer(), draw()
    expected = sum(apart(modes[0], y, cut) for modes, y in zip(chunks, truth, strict=True)) / B
    assert score(torch.ones(B, 1, dtype=torch.float64), chunks[:, :1], truth, cut) == pytest.approx(expected, rel=1e-4)


def test_modes_that_agree_count_as_one():
    cut, (weights, chunks, truth) = tokenizer(), draw()
    same = chunks[:, :1].expand(-1, K, -1, -1)
    one = torch.ones(B, 1, dtype=torch.float64)
    assert score(weights, same, truth, cut) == pytest.approx(score(one, chunks[:, :1], truth, cut), rel=1e-6)


def test_two_right_chunks_are_best_kept_apart():
    """What is expected of it is least where weights and modes are those of the demonstrations: it is proper."""
    cut = tokenizer()
    left, right = torch.full((1, T, A), -1.0), torch.full((1, T, A), 1.0)

    def expected(weights, *ways):
        w, modes = torch.tensor([weights], dtype=torch.float64), torch.stack(ways, dim=1)
        return 0.3 * score(w, modes, left, cut) + 0.7 * score(w, modes, right, cut)

    best = expected([0.3, 0.7], left, right)
    for other in (
        expected([0.5, 0.5], left, right),
        expected([0.1, 0.9], left, right),
        expected([0.3, 0.7], left + 0.1, right),
        expected([0.3, 0.7], left, right - 0.1),
        expected([1.0], 0.3 * left + 0.7 * right),
        expected([1.0], right),
    ):
        assert best < other - 1e-3


def test_ways_are_not_mixed_dimension_by_dimension():
    """(left, left) or (right, right): crosswise modes have the same marginals at every position, and score worse."""
    cut = tokenizer()
    ways = [torch.tensor([[[x, y]] * T]) for x, y in ((-1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (1.0, -1.0))]
    half = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    with_, across = torch.stack(ways[:2], dim=1), torch.stack(ways[2:], dim=1)
    assert all(score(half, with_, y, cut) < score(half, across, y, cut) - 1 for y in ways[:2])


def test_a_chunk_counts_by_the_steps_that_there_are_to_predict():
    cut, (weights, chunks, truth) = tokenizer(), draw()
    is_padding = torch.arange(T) >= torch.tensor([[3], [1], [2], [0]])  # (B, T): 3, 1, 2 and no steps are there
    chunks_elsewhere = torch.where(is_padding[:, None, :, None], chunks + 1.0, chunks)
    before, after = (score(weights, x, truth, cut, is_padding) for x in (chunks, chunks_elsewhere))
    assert before == pytest.approx(after, rel=1e-6)
    parts = [
        score(weights[i : i + 1], chunks[i : i + 1], truth[i : i + 1], cut, is_padding[i : i + 1]) for i in range(3)
    ]
    assert before == pytest.approx((3 * parts[0] + 1 * parts[1] + 2 * parts[2]) / 6, rel=1e-5)


def test_an_angle_goes_the_short_way_round():
    cut = tokenizer(wraps=True)
    one = torch.ones(1, 1, dtype=torch.float64)
    beyond, before = torch.tensor([[[0.0, math.pi - 0.01]] * T]), torch.tensor([[[0.0, -math.pi + 0.01]] * T])
    assert score(one, beyond[:, None], before, cut) == pytest.approx(0.02 / 0.05 / math.sqrt(2), rel=1e-3)


def test_its_gradient_is_right():
    cut, (weights, chunks, truth) = tokenizer(wraps=True), draw()
    modes = predicted(weights, chunks, cut).modes
    loss, tokens, values = JointEnergyLoss(cut.points()).double(), cut.encode(truth), cut.to_values(truth)
    logits = torch.zeros(B, T * A, 32)

    def of(log_weights, means):
        prediction = Prediction(logits, Modes(log_weights, means, torch.ones_like(means)))
        return loss(prediction, tokens, target_values=values).loss

    inputs = modes.log_weights.clone().requires_grad_(), modes.means.clone().requires_grad_()
    assert torch.autograd.gradcheck(of, inputs, atol=1e-4)


def test_a_head_without_modes_is_refused():
    cut = tokenizer()
    with pytest.raises(ValueError, match="head=modes"):
        judge(
            JointEnergyLoss(cut.points()),
            Prediction(torch.zeros(1, T * A, 32)),
            torch.zeros(1, T * A, dtype=torch.long),
        )
