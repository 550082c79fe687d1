"""Linear regression in context: what is drawn, written and read."""

import pytest
import torch

from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.claims.in_context import SPEC, answer_loss, learn_to_write
from dist2_robot.claims.linear_problems import DETERMINED, draw_problems, without_learning
from dist2_robot.claims.number_writer import NumberWriter
from dist2_robot.claims.numbers import METHODS, WITHIN_ANSWERS
from dist2_robot.losses.output import each_cross_entropy
from dist2_robot.tokenizers.digits import DigitsTokenizer
from dist2_robot.tokenizers.uniform import UniformTokenizer

TINY = {"digits": 2, "pairs": 4, "width": 8, "depth": 1, "heads": 2, "steps": 3, "batch_size": 4, "held_out": 6}
TINY |= {"learning_rate": 1e-2, "tokenizer": {"name": "digits", "digits": 2}, "within_answers": False}


def problems(count=7, seed=0):
    return draw_problems(count, 4, 100, torch.Generator().manual_seed(seed))


@pytest.fixture(params=["digits", "uniform"])
def writer(request):
    torch.manual_seed(0)
    y_tokens = DigitsTokenizer(SPEC, 1, digits=2) if request.param == "digits" else UniformTokenizer(SPEC, 1, bins=20)
    return NumberWriter(DigitsTokenizer(SPEC, 1, digits=2), y_tokens, pairs=4, width=8, depth=1, heads=2)


def test_all_pairs_of_a_problem_lie_on_one_line_within_the_range():
    drawn = problems(50)
    steps = drawn.x[:, 1:] - drawn.x[:, :1]
    slopes = torch.where(steps == 0, torch.nan, (drawn.y[:, 1:] - drawn.y[:, :1]) / steps)
    assert (slopes - slopes.nanmedian(1, keepdim=True).values).nan_to_num().abs().max() < 1e-3
    assert 0 <= drawn.y.min() <= drawn.y.max() <= 1
    assert torch.equal(drawn.y, problems(50).y)
    assert not torch.equal(drawn.y, problems(50, seed=1).y)


def test_rules_without_learning():
    drawn = problems()
    assert torch.allclose(without_learning(drawn, "mean"), drawn.y[:, :3].mean(1))
    nearest = without_learning(drawn, "nearest")
    assert (nearest - drawn.y[:, -1]).abs().mean() < (without_learning(drawn, "mean") - drawn.y[:, -1]).abs().mean()


def test_what_is_written_can_be_read_back(writer):
    drawn = problems()
    tokens = writer.written(drawn)
    assert tokens.shape == (7, 4 * writer.per_pair)
    assert tokens.max() == writer.equals
    y = writer.answers(tokens, 0).view(7 * 4, -1)
    assert (writer.y_tokens.decode(y).view(7, 4) - drawn.y).abs().max() <= 0.5 / (
        20 if writer.per_y == 1 else 100
    ) + 1e-6


def test_no_logit_sees_what_comes_after_it(writer):
    tokens = writer.written(problems())
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % writer.y_tokens.vocab_size
    one, two = writer(tokens), writer(changed)
    assert torch.equal(one[:, :-1], two[:, :-1])
    assert not torch.equal(one[:, -1], two[:, -1])


def test_writing_with_a_cache_is_writing_the_most_probable_token_each(writer):
    drawn = problems()
    tokens = writer.written(drawn)
    for place in range(tokens.shape[1] - writer.per_y, tokens.shape[1]):
        tokens[:, place] = writer(tokens[:, :place])[:, -1, : writer.y_tokens.vocab_size].argmax(-1)
    expected = writer.y_tokens.decode(tokens[:, -writer.per_y :]).flatten()
    assert torch.equal(writer.write(drawn), expected)


def test_cross_entropy_is_that_of_the_whole_vocabulary(writer):
    tokens = writer.written(problems())
    logits = writer.answers(torch.cat([writer(tokens)[:, :1], writer(tokens)[:, :-1]], 1), DETERMINED)
    truth = writer.answers(tokens, DETERMINED)
    loss = build_loss(writer.y_tokens, {"name": "cross_entropy"})
    assert answer_loss(writer, loss, tokens, False).item() == pytest.approx(
        each_cross_entropy(logits, truth).mean().item()
    )
    within = each_cross_entropy(logits[..., : writer.y_tokens.vocab_size], truth).mean().item()
    assert answer_loss(writer, loss, tokens, True).item() == pytest.approx(within)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_from_the_same_start(method):
    settings = TINY | {"loss": METHODS[method], "within_answers": method in WITHIN_ANSWERS}
    found = learn_to_write(settings, 5, 0)
    assert found == learn_to_write(settings, 5, 0)
    assert 0 < found["mae"] <= found["rmse"] < 1
    assert set(found) == {"mae", "rmse", "exact", "mae_early"}
