"""Laws that every loss over tokens obeys. L positions, V tokens."""

import math
from dataclasses import replace

import pytest
import torch
import yaml

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.registry import LOSSES, build_loss
from dist2_robot.config_dir import config_dir
from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.del_ import DigitEntropyLoss
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.emd import EMDLoss
from dist2_robot.losses.energy import EnergyLoss
from dist2_robot.losses.hl_gauss import HLGaussLoss
from dist2_robot.losses.label_smoothing import LabelSmoothingLoss
from dist2_robot.losses.ntil import NTILoss
from dist2_robot.losses.number_token import NumberTokenMSELoss, NumberTokenWASLoss
from dist2_robot.losses.raft import RaftLoss
from dist2_robot.losses.reinforce import ReinforceLoss
from dist2_robot.losses.sord import SordLoss
from dist2_robot.losses.vocab import VocabLoss
from dist2_robot.losses.weighted_sum import WeightedSumLoss
from dist2_robot.tokenizers.uniform import UniformTokenizer

L, V = 2, 6
CASES = {
    "cross_entropy": lambda f: CrossEntropyLoss(),
    "label_smoothing": lambda f: LabelSmoothingLoss(f("uneven"), 0.1),
    "vocab": lambda f: VocabLoss(),
    "vocab_of_ids": lambda f: VocabLoss([3, 0, 1, 2, 5, 4]),
    "dist2": lambda f: Dist2Loss(f("squared"), tau=2.0, alpha=0.7, ce_weight=1.3),
    "dist2_paper": lambda f: Dist2Loss.paper(f("squared")),
    "dist2_distance_only": lambda f: Dist2Loss(f("squared"), tau=2.0, alpha=1.0, ce_weight=0.0),
    "dist2_neighbours": lambda f: Dist2Loss(f("squared"), tau=2.0, neighbours=4),
    "dist2_contrast": lambda f: Dist2Loss(f("squared"), tau=2.0, contrast=0.05),
    "dist2_places": lambda f: Dist2Loss(f("squared"), tau=2.0, digits=2, place_weights="linear"),
    "dist2_of_ids": lambda f: Dist2Loss(f("squared"), tau=2.0, token_ids=range(V)),
    "sord": lambda f: SordLoss(f("squared"), tau=2.0),
    "hl_gauss": lambda f: HLGaussLoss(f("uneven")),
    "hl_gauss_ring": lambda f: HLGaussLoss(f("ring")),
    "emd": lambda f: EMDLoss(f("uneven")),
    "emd_spacing": lambda f: EMDLoss(f("uneven"), spacing=True),
    "emd_ring": lambda f: EMDLoss(f("ring")),
    "energy_line": lambda f: EnergyLoss(f("line")),
    "energy_circle": lambda f: EnergyLoss(f("circle")),
    "energy_plane": lambda f: EnergyLoss(f("plane")),
    "number_token_was": lambda f: NumberTokenWASLoss(f("line")),
    "number_token_mse": lambda f: NumberTokenMSELoss(f("uneven")),
    "ntil": lambda f: NTILoss(f("uneven"), rescale=False),
    "ntil_digits": lambda f: NTILoss(replace(f("uneven"), digits=2), rescale=False),
    "raft": lambda f: RaftLoss(f("uneven"), ce_weight=0.5),
    "del": lambda f: DigitEntropyLoss(f("uneven"), weight=1.0),
    "sum": lambda f: WeightedSumLoss(
        {"dist2": Dist2Loss(f("squared")), "energy": EnergyLoss(f("line"))}, {"dist2": 0.5, "energy": 2.0}
    ),
}


@pytest.fixture(params=CASES)
def loss(request):
    return CASES[request.param](request.getfixturevalue)


def draw(*leading, dtype=torch.float64):
    return torch.randn(*leading, L, V, dtype=dtype, requires_grad=True), torch.randint(V, (*leading, L))


def test_its_gradient_is_right(loss):
    logits, targets = draw(3)
    mask = torch.tensor([[True, False], [False, False], [False, False]])
    assert torch.autograd.gradcheck(lambda x: loss.double()(x, targets, padding_mask=mask).loss, (logits,))


def test_adding_a_constant_to_all_logits_of_a_position_changes_nothing(loss):
    if isinstance(loss, DigitEntropyLoss):
        pytest.skip("it takes the sigmoid of single logits")
    logits, targets = draw(3)
    moved = logits + torch.randn(3, L, 1, dtype=torch.float64)
    assert loss(moved, targets).loss.item() == pytest.approx(loss(logits, targets).loss.item(), abs=1e-6)


@pytest.mark.parametrize("leading", [(), (5,), (4, 3), (2, 3, 2)])
def test_leading_dimensions_are_only_more_positions(loss, leading):
    logits, targets = draw(*leading)
    flat = loss(logits.view(-1, L, V), targets.view(-1, L)).loss
    assert loss(logits, targets).loss.item() == pytest.approx(flat.item(), abs=1e-12)


def test_the_loss_is_the_mean_over_positions(loss):
    logits, targets = draw(4)
    each = [loss(logits[i], targets[i]).loss.item() for i in range(4)]
    assert loss(logits, targets).loss.item() == pytest.approx(sum(each) / 4, abs=1e-12)


def test_padding_has_no_influence(loss):
    logits, targets = draw(4)
    mask = torch.tensor([[False, False], [True, True], [False, False], [True, True]])
    kept = loss(logits[::2], targets[::2]).loss
    assert loss(logits, targets, padding_mask=mask).loss.item() == pytest.approx(kept.item(), abs=1e-9)
    elsewhere = torch.where(mask, (targets + 1) % V, targets), torch.where(mask[..., None], 1e3 * logits, logits)
    changed = loss(elsewhere[1], elsewhere[0], padding_mask=mask).loss
    assert changed.item() == pytest.approx(kept.item(), abs=1e-9)
    changed.backward()
    assert not logits.grad[mask].any()
    assert (logits.grad[~mask] != 0).all()


def test_an_empty_mask_is_no_mask(loss):
    logits, targets = draw(4)
    masked = loss(logits, targets, padding_mask=torch.zeros(4, L, dtype=torch.bool)).loss
    assert masked.item() == pytest.approx(loss(logits, targets).loss.item(), abs=1e-12)


def test_nothing_but_padding_gives_zero_that_can_be_trained_on(loss):
    logits, targets = draw(4)
    output = loss(logits, targets, padding_mask=torch.ones(4, L, dtype=torch.bool)).loss
    output.backward()
    assert output.item() == 0
    assert not logits.grad.any()


def test_a_sharp_prediction_of_the_truth_beats_any_other(loss):
    targets = torch.tensor([[2, 4]])
    losses = []
    for token in range(V):
        logits = torch.full((1, L, V), -4.0)
        logits[..., token] = 4.0
        losses.append([loss(logits[:, i : i + 1].expand(1, L, V), targets).loss.item() for i in range(L)])
    right = torch.full((1, L, V), -4.0).scatter(-1, targets[..., None], 4.0)
    assert all(loss(right, targets).loss.item() < min(pair) for pair in losses)


@pytest.mark.parametrize("scale", [1e-6, 30.0, 1e4])
def test_it_stays_finite_however_sure_the_prediction(loss, scale):
    logits, targets = draw(8, dtype=torch.float32)
    output = loss(logits * scale, targets).loss
    output.backward()
    assert math.isfinite(output.item())
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_it_takes_logits_of_any_precision(loss, dtype):
    logits, targets = draw(4)
    expected = loss(logits, targets).loss.item()
    assert loss(logits.to(dtype), targets).loss.item() == pytest.approx(expected, rel=0.05, abs=0.05)


def test_parts_are_scalars_for_the_log(loss):
    output = loss(*draw(4))
    assert output.loss.shape == ()
    assert output.parts
    for part in output.parts.values():
        assert part.shape == ()
        assert not part.requires_grad


def test_tables_are_no_part_of_a_checkpoint(loss):
    assert not loss.state_dict()


# Two dimensions that have fewer tokens than the vocabulary, and what a policy does about it.
VALID = torch.tensor([[True, True, True, True, False, False], [False, True, False, True, True, True]])


def lacking(**changes):
    """Return points of which some are not there, and have senseless values."""
    values = torch.tensor([[0.0, 0.5, 0.7, 2.0, 77.0, 1e6], [-99.0, 0.5, 0.6, 2.0, 3.5, 3.6]], dtype=torch.float64)
    return replace(TokenPoints.of_values(values), valid=VALID, **changes)


LACKING = {
    "cross_entropy": lambda: CrossEntropyLoss(),
    "label_smoothing": lambda: LabelSmoothingLoss(lacking(), 0.1),
    "vocab": lambda: VocabLoss(),
    "dist2": lambda: Dist2Loss(lacking().distances(SquaredDistance())),
    "dist2_contrast": lambda: Dist2Loss(lacking().distances(SquaredDistance()), contrast=0.1),
    "dist2_neighbours": lambda: Dist2Loss(lacking().distances(SquaredDistance()), neighbours=3),
    "dist2_from_points": lambda: Dist2Loss.from_points(lacking(), SquaredDistance(), neighbours=4),
    "sord": lambda: SordLoss(lacking().distances(SquaredDistance())),
    "hl_gauss": lambda: HLGaussLoss(lacking()),
    "emd": lambda: EMDLoss(lacking()),
    "emd_spacing": lambda: EMDLoss(lacking(), spacing=True),
    "emd_ring": lambda: EMDLoss(lacking(periods=torch.tensor([4.0, 4.0], dtype=torch.float64))),
    "energy": lambda: EnergyLoss(lacking().distances(AbsoluteDistance())),
    "number_token_was": lambda: NumberTokenWASLoss(lacking().distances(AbsoluteDistance())),
    "number_token_mse": lambda: NumberTokenMSELoss(lacking()),
    "ntil": lambda: NTILoss(lacking()),
    "raft": lambda: RaftLoss(lacking()),
    "reinforce": lambda: ReinforceLoss(lacking().distances(SquaredDistance()), baseline="mean"),
    "del": lambda: DigitEntropyLoss(lacking()),
}


@pytest.mark.parametrize("name", LACKING)
def test_tokens_that_a_position_lacks_have_no_influence_when_masked(name):
    loss = LACKING[name]()
    targets = torch.tensor([[0, 1], [3, 5], [2, 3]])
    free = torch.randn(3, L, V)
    results = []
    for impossible in (-1e4, -3e4):
        torch.manual_seed(0)
        logits = free.masked_fill(~VALID, impossible).requires_grad_()
        output = loss(logits, targets).loss
        output.backward()
        assert math.isfinite(output.item())
        assert not logits.grad.masked_fill(VALID, 0).any()
        assert (logits.grad[VALID.expand(3, L, V)] != 0).any()
        results.append((output.item(), logits.grad))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    assert torch.allclose(results[0][1], results[1][1], atol=1e-6)


@pytest.mark.parametrize(
    "name", sorted({*LACKING} - {"hl_gauss", "dist2_from_points", "emd_ring", "ntil", "del", "reinforce"})
)
def test_tokens_that_a_position_lacks_might_as_well_not_be_numbered(name):
    """A position that lacks tokens has the loss of a vocabulary without them."""
    kept = VALID[1].nonzero()[:, 0]
    values = lacking().points[1, kept, 0]
    small = TokenPoints.of_values(values[None])
    same = {
        "label_smoothing": lambda: LabelSmoothingLoss(small, 0.1),
        "dist2": lambda: Dist2Loss(small.distances(SquaredDistance())),
        "dist2_contrast": lambda: Dist2Loss(small.distances(SquaredDistance()), contrast=0.1),
        "dist2_neighbours": lambda: Dist2Loss(small.distances(SquaredDistance()), neighbours=3),
        "sord": lambda: SordLoss(small.distances(SquaredDistance())),
        "emd": lambda: EMDLoss(small),
        "emd_spacing": lambda: EMDLoss(small, spacing=True),
        "energy": lambda: EnergyLoss(small.distances(AbsoluteDistance())),
        "number_token_was": lambda: NumberTokenWASLoss(small.distances(AbsoluteDistance())),
        "number_token_mse": lambda: NumberTokenMSELoss(small),
        "raft": lambda: RaftLoss(small),
        "cross_entropy": CrossEntropyLoss,
        "vocab": VocabLoss,
    }
    logits, ignored = torch.randn(5, L, V), torch.tensor([True, False]).expand(5, L)
    targets = torch.tensor([[0, 1], [0, 5], [0, 3], [0, 4], [0, 3]])
    whole = LACKING[name]()(logits.masked_fill(~VALID, -1e4), targets, padding_mask=ignored).loss
    number = torch.searchsorted(kept, targets[:, 1:].contiguous())
    alone = same[name]()(logits[:, 1:, kept], number).loss
    assert whole.item() == pytest.approx(alone.item(), rel=1e-5)


def test_every_loss_of_the_registry_can_be_summed_by_config():
    spec = ActionSpec((ActionDimension("x", "joint", "rad", -1.0, 1.0),), "absolute", 30.0, "file")
    tokenizer = UniformTokenizer(spec, horizon=3, bins=16)
    actions = 2 * torch.rand(4, 3, 1) - 1
    logits, targets = torch.randn(4, 3, 16), tokenizer.encode(actions)
    arguments = {"target_values": tokenizer.to_values(actions)}
    terms = {}
    for name in set(LOSSES) - {"sum", "own", "l1", "mse"}:
        text = (config_dir() / "loss" / f"{name}.yaml").read_text()
        text = text.replace("${temperature}", "{name: fixed, tau: 2.0}").replace("${distance}", "{name: squared}")
        terms[name] = yaml.safe_load(text) | {"weight": 0.5}
    torch.manual_seed(1)
    total = build_loss(tokenizer, {"name": "sum", "terms": terms})(logits, targets, **arguments).loss
    torch.manual_seed(1)
    each = [
        build_loss(tokenizer, {k: v for k, v in term.items() if k != "weight"})(logits, targets, **arguments).loss
        for term in terms.values()
    ]
    assert len(each) == len(LOSSES) - 4
    assert total.item() == pytest.approx(0.5 * sum(each).item(), rel=1e-5)
