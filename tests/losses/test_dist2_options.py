"""Options of DIST2Loss: language models, place values, contrast, few neighbours. V metric tokens, W vocabulary."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.temperature import FixedTemperature, Temperature
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.target_store import SparseTargets

TEN = TokenPoints.of_values(torch.arange(10.0))
TABLE = TEN.distances(SquaredDistance())
IDS = [11, 3, 7, 0, 14, 5, 9, 2, 13, 6]  # where the digits 0 to 9 are in a vocabulary of 16


def draw(vocab_size=16, length=5):
    logits = torch.randn(4, length, vocab_size, dtype=torch.float64, requires_grad=True)
    return logits, torch.randint(vocab_size, (4, length))


def by_hand(logits, targets, support, alpha=0.7, ce_weight=1.3, tau=2.0):
    """Return the loss position by position, in plain Python."""
    total = 0.0
    for scores, x in zip(logits.flatten(0, 1).tolist(), targets.flatten().tolist(), strict=True):
        normaliser = math.log(sum(math.exp(s) for s in scores))
        total += ce_weight * (normaliser - scores[x])
        if x not in IDS:
            continue
        mass = [math.exp(-((v - IDS.index(x)) ** 2) / tau) for v in range(10)]
        among = normaliser if support == "vocabulary" else math.log(sum(math.exp(scores[i]) for i in IDS))
        p_d = [m / sum(mass) for m in mass]
        total += alpha * sum(p * (math.log(p) - scores[i] + among) for p, i in zip(p_d, IDS, strict=True))
    return total / targets.numel()


@pytest.mark.parametrize("support", ["vocabulary", "metric_tokens"])
def test_in_a_larger_vocabulary_it_equals_its_closed_form(support):
    logits, targets = draw()
    loss = Dist2Loss(TABLE, 2.0, 0.7, 1.3, support=support, token_ids=IDS)
    assert loss(logits, targets).loss.item() == pytest.approx(by_hand(logits, targets, support), rel=1e-5)
    assert torch.autograd.gradcheck(lambda x: loss.double()(x, targets).loss, (logits,))


def test_only_over_the_vocabulary_does_the_divergence_move_mass_to_the_metric_tokens():
    logits, targets = draw()[0], torch.full((4, 5), IDS[4])
    others = [i for i in range(16) if i not in IDS]
    for support, moves in (("vocabulary", True), ("metric_tokens", False)):
        loss = Dist2Loss(TABLE, alpha=1.0, ce_weight=0.0, support=support, token_ids=IDS)
        gradient = torch.autograd.grad(loss(logits, targets).loss, logits)[0]
        assert bool(gradient[..., others].any()) == moves
        assert gradient.sum().abs().item() < 1e-6


def test_other_tokens_get_cross_entropy_over_the_whole_vocabulary():
    logits = draw()[0]
    targets = torch.tensor([1, 4, 8, 10, 12]).expand(4, 5)
    plain = F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
    loss = Dist2Loss(TABLE, token_ids=IDS)
    assert loss(logits, targets).loss.item() == pytest.approx(plain, rel=1e-9)
    digits, nothing = torch.full((4, 5), IDS[0]), torch.zeros(4, 5, dtype=torch.bool)
    plain = F.cross_entropy(logits.flatten(0, 1), digits.flatten()).item()
    assert loss(logits, digits, metric_tokens=nothing).loss.item() == pytest.approx(plain, rel=1e-9)


def test_padding_in_a_larger_vocabulary_has_no_influence():
    logits, targets = draw()
    padding = torch.rand(4, 5) < 0.4
    loss = Dist2Loss(TABLE, token_ids=IDS)
    kept = loss(logits[~padding][:, None], targets[~padding][:, None]).loss.item()
    assert loss(logits, targets, padding_mask=padding).loss.item() == pytest.approx(kept, rel=1e-9)


def test_without_alpha_it_is_cross_entropy_to_the_bit_there_too():
    logits, targets = draw()
    loss = Dist2Loss(TABLE, alpha=0.0, token_ids=IDS, support="metric_tokens")(logits, targets).loss
    assert torch.equal(loss, F.cross_entropy(logits.flatten(0, 1), targets.flatten()))


def test_both_ways_to_work_it_out_agree():
    """In one pass, as for robots, and term by term, as for language models."""
    logits, targets = draw(10)
    padding, metric = torch.rand(4, 5) < 0.4, torch.rand(4, 5) < 0.7
    one, other = Dist2Loss(TABLE, 2.0, 0.7, 1.3), Dist2Loss(TABLE, 2.0, 0.7, 1.3, token_ids=range(10))
    for arguments in ({}, {"padding_mask": padding}, {"metric_tokens": metric, "padding_mask": padding}):
        outputs = [loss(logits, targets, **arguments) for loss in (one, other)]
        gradients = [torch.autograd.grad(output.loss, logits)[0] for output in outputs]
        assert outputs[0].loss.item() == pytest.approx(outputs[1].loss.item(), rel=1e-9)
        assert torch.allclose(*gradients, atol=1e-9)
        for name, part in outputs[0].parts.items():
            assert part.item() == pytest.approx(outputs[1].parts[name].item(), rel=1e-9)


def test_the_gradient_may_be_asked_for_twice_and_scaled():
    logits, targets = draw(10)
    loss = Dist2Loss(TABLE)(logits, targets).loss
    first = torch.autograd.grad(loss, logits, retain_graph=True)[0]
    second = torch.autograd.grad(3 * loss, logits)[0]
    assert torch.allclose(3 * first, second)


def test_without_a_gradient_it_has_the_same_value():
    logits, targets = draw(10)
    with torch.no_grad():
        silent = Dist2Loss(TABLE)(logits, targets).loss
    assert not silent.requires_grad
    assert torch.equal(silent, Dist2Loss(TABLE)(logits, targets).loss)


@pytest.mark.parametrize("positions", [1, 3, 4000])
def test_many_positions_are_worked_on_in_parts_that_make_no_difference(positions, monkeypatch):
    logits, targets = torch.randn(positions, 10, requires_grad=True), torch.randint(10, (positions,))
    whole = Dist2Loss(TABLE)(logits, targets).loss
    gradient = torch.autograd.grad(whole, logits)[0]
    monkeypatch.setattr("dist2_robot.losses.fused_dist2._CHUNK_CPU", 70)
    parts = Dist2Loss(TABLE)(logits, targets).loss
    assert parts.item() == pytest.approx(whole.item(), rel=1e-6)
    assert torch.allclose(torch.autograd.grad(parts, logits)[0], gradient, atol=1e-8)


@pytest.mark.parametrize(("digits", "weights"), [(1, [1.0] * 4), (2, [4 / 3, 2 / 3] * 2), (4, [1.6, 1.2, 0.8, 0.4])])
def test_the_first_digits_count_more_and_all_together_as_before(digits, weights):
    logits, targets = draw(10, length=4)
    loss = Dist2Loss(TABLE, points=replace(TEN, digits=digits), place_weights="linear")
    plain = Dist2Loss(TABLE)
    each = [plain(logits[:, i : i + 1], targets[:, i : i + 1]).parts["divergence"].item() for i in range(4)]
    expected = sum(w * kl for w, kl in zip(weights, each, strict=True)) / 4
    assert loss(logits, targets).parts["divergence"].item() == pytest.approx(expected, rel=1e-6)
    assert sum(weights) == pytest.approx(4)
    cross_entropy = plain(logits, targets).parts["cross_entropy"].item()
    assert loss(logits, targets).parts["cross_entropy"].item() == pytest.approx(cross_entropy, rel=1e-9)


def test_in_text_the_runs_of_digits_are_the_numbers():
    a, one, two, three = 1, IDS[1], IDS[2], IDS[3]
    text = torch.tensor([[a, one, two, a, three, one, two, one, a, a, one]])  # a12a3121aa1
    places = torch.tensor([[0, 2, 1, 0, 4, 3, 2, 1, 0, 0, 1]])
    loss = Dist2Loss(TABLE, token_ids=IDS, digits=4, place_weights="linear")
    weights = loss._weights(text, loss.metric.find(text)[1], torch.float64)
    assert torch.allclose(weights, places.double() / 2.5)


@given(st.floats(0, 1), st.floats(0.1, 20))
def test_contrast_pushes_far_tokens_down(contrast, tau):
    plain, pushed = (Dist2Loss(TABLE, tau, contrast=c).target(torch.arange(10)[:, None])[:, 0] for c in (0.0, contrast))
    assert torch.allclose(pushed.sum(-1), torch.ones(10), atol=1e-5)
    assert (pushed >= 0).all()
    assert torch.equal(pushed.argmax(-1), torch.arange(10))
    d = TABLE.distances[0]
    for x in range(10):
        expected = (plain[x].double() - contrast * d[x].double() / d[x].double().sum()).clamp(min=0)
        assert torch.allclose(pushed[x].double(), expected / expected.sum(), atol=1e-6)
        # The farther, the larger the share of its mass that a token loses.
        order = d[x].argsort(stable=True)
        ratio = (pushed[x] / plain[x].clamp(min=1e-30))[order]
        assert (ratio.diff() <= 1e-4 * ratio[:-1] + 1e-6).all()


def test_no_contrast_is_no_change_to_the_bit():
    tokens = torch.arange(10)[:, None]
    assert torch.equal(Dist2Loss(TABLE, contrast=0.0).target(tokens), Dist2Loss(TABLE).target(tokens))


@pytest.mark.parametrize("neighbours", [1, 3, 7])
def test_few_neighbours_share_what_the_target_gives_them(neighbours):
    tokens = torch.arange(10)[:, None]
    whole = Dist2Loss(TABLE, 2.0).target(tokens)[:, 0]
    few = Dist2Loss(TABLE, 2.0, neighbours=neighbours).target(tokens)[:, 0]
    assert ((few > 0).sum(-1) == neighbours).all()
    assert torch.allclose(few.sum(-1), torch.ones(10))
    kept = whole.masked_fill(few == 0, 0.0)
    assert torch.allclose(few, kept / kept.sum(-1, keepdim=True), atol=1e-6)
    assert (kept.sum(-1) >= whole.topk(neighbours).values.sum(-1) - 1e-6).all()


def test_narrow_targets_lose_their_far_ends_and_nothing_else():
    table = TokenPoints.of_values(torch.arange(256.0)).distances(SquaredDistance())
    for tau, is_narrow in ((2.0, True), (200.0, False)):
        loss = Dist2Loss(table, tau)
        assert isinstance(loss.targets, SparseTargets) == is_narrow
        exact = torch.softmax(-table.distances[0].double() / tau, -1)
        assert (loss.target(torch.arange(256)[:, None])[:, 0] - exact).abs().max().item() < 1e-7
        logits, targets = 10 * torch.randn(50, 1, 256), torch.randint(256, (50, 1))
        divergence = F.kl_div(logits.double().log_softmax(-1), exact[targets], reduction="none").sum(-1).mean()
        assert loss(logits, targets).parts["divergence"].item() == pytest.approx(divergence.item(), rel=1e-5)


def test_all_neighbours_are_the_whole_target():
    logits, targets = draw(10)
    outputs = [Dist2Loss(TABLE, neighbours=n)(logits, targets).loss for n in (None, 10)]
    gradients = [torch.autograd.grad(output, logits)[0] for output in outputs]
    assert outputs[0].item() == pytest.approx(outputs[1].item(), rel=1e-6)
    assert torch.allclose(*gradients, atol=1e-7)


@pytest.mark.parametrize("distance", [SquaredDistance(), AbsoluteDistance(), SquaredDistance("bins")])
@pytest.mark.parametrize("period", [None, 5.0])
def test_from_points_it_is_the_same_without_the_table_of_all_distances(distance, period, monkeypatch):
    values = torch.tensor([[0.0, 0.5, 0.7, 2.0, 3.5, 3.6], [0.0, 1.0, 1.1, 2.0, 3.0, 4.5]], dtype=torch.float64)
    points = replace(TokenPoints.of_values(values, period=period), groups=torch.tensor([1, 0, 1]))
    if period is None:
        points = replace(points, valid=torch.tensor([[True] * 6, [True] * 5 + [False]]))
    monkeypatch.setattr("dist2_robot.distances.target._CHUNK", 15)  # two rows at a time
    few = Dist2Loss.from_points(points, distance, 3.0, neighbours=6, alpha=0.5, contrast=0.01)
    whole = Dist2Loss(points.distances(distance), 3.0, alpha=0.5, contrast=0.01)
    tokens = torch.arange(6)[:, None].expand(6, 3)
    assert torch.allclose(few.target(tokens), whole.target(tokens), atol=1e-6)
    logits = torch.randn(6, 3, 6)
    assert few(logits, tokens).loss.item() == pytest.approx(whole(logits, tokens).loss.item(), rel=1e-5)


def test_from_points_takes_a_fixed_temperature_only():
    class Other(Temperature):
        def __call__(self, distances):
            raise AssertionError("there are no distances to look at")

        def config(self):
            return {}

    tokens = torch.arange(10)[:, None]
    few, fixed = (
        Dist2Loss.from_points(TEN, SquaredDistance(), tau, neighbours=4) for tau in (2.0, FixedTemperature(2.0))
    )
    assert torch.equal(few.target(tokens), fixed.target(tokens))
    for tau in (0.0, -1.0, math.nan, Other()):
        with pytest.raises(ValueError, match="tau"):
            Dist2Loss.from_points(TEN, SquaredDistance(), tau, neighbours=4)


def test_one_group_is_shared_by_any_number_of_positions():
    loss = Dist2Loss(TABLE)
    for length in (1, 3, 17):
        logits, targets = draw(10, length)
        assert loss(logits, targets).loss.isfinite()
        assert loss.target(targets).shape == (4, length, 10)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"support": "all"}, "support"),
        ({"place_weights": "square"}, "place_weights"),
        ({"contrast": -0.1}, "contrast"),
        ({"contrast": math.nan}, "contrast"),
        ({"neighbours": 0}, "neighbours"),
        ({"neighbours": 11}, "neighbours"),
        ({"token_ids": [1, 2, 3]}, "3 token_ids"),
        ({"token_ids": [1] * 10}, "once"),
        ({"digits": 0}, "digits"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, what):
    with pytest.raises(ValueError, match=what):
        Dist2Loss(TABLE, **options)
