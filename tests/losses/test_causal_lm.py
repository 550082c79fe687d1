"""Losses for causal language models: shifted, masked, and right under gradient accumulation. S tokens, W vocabulary."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.losses.causal_lm import CausalLMLoss
from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.dist2 import Dist2Loss

DIGITS = list(range(3, 13))
TABLE = TokenPoints.of_values(torch.arange(10.0)).distances(SquaredDistance())


def draw(batch=3, length=7):
    logits = torch.randn(batch, length, 20, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(20, (batch, length))
    labels[:2, :2] = -100  # the others count from the first, which nothing predicts
    labels[0, 5:] = -100
    return logits, labels


def dist2():
    return CausalLMLoss(Dist2Loss(TABLE, alpha=0.5, token_ids=DIGITS), DIGITS)


@pytest.mark.parametrize("wrap", [lambda x: SimpleNamespace(logits=x), lambda x: {"logits": x}, lambda x: (x, None)])
def test_with_cross_entropy_it_is_the_usual_loss(wrap):
    logits, labels = draw()
    loss = CausalLMLoss(CrossEntropyLoss(), DIGITS)(wrap(logits), labels)
    shifted = logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
    assert loss.item() == pytest.approx(F.cross_entropy(*shifted, ignore_index=-100).item(), rel=1e-9)
    summed = F.cross_entropy(*shifted, ignore_index=-100, reduction="sum") / 37
    loss = CausalLMLoss(CrossEntropyLoss(), DIGITS)(wrap(logits), labels, num_items_in_batch=torch.tensor(37))
    assert loss.item() == pytest.approx(summed.item(), rel=1e-9)


def test_it_equals_the_loss_of_the_shifted_positions_that_count():
    logits, labels = draw()
    counts = labels[:, 1:] != -100
    kept_logits, kept = logits[:, :-1][counts][:, None], labels[:, 1:][counts][:, None]
    expected = Dist2Loss(TABLE, alpha=0.5, token_ids=DIGITS)(kept_logits, kept).loss
    assert dist2()({"logits": logits}, labels).item() == pytest.approx(expected.item(), rel=1e-9)


def test_digits_are_pulled_to_their_neighbours_and_text_is_not():
    logits = torch.zeros(1, 2, 20, dtype=torch.float64, requires_grad=True)
    five, text = torch.tensor([[0, DIGITS[5]]]), torch.tensor([[0, 15]])
    gradient = torch.autograd.grad(dist2()({"logits": logits}, five), logits)[0][0, 0]
    assert gradient[DIGITS[4]] < gradient[DIGITS[1]]
    gradient = torch.autograd.grad(dist2()({"logits": logits}, text), logits)[0][0, 0]
    assert gradient[DIGITS].std() < 1e-12


def test_accumulated_batches_of_unequal_length_are_one_large_batch():
    logits, labels = draw(batch=5)
    labels[1, 3:] = -100
    loss = dist2()
    items = (labels[:, 1:] != -100).sum()
    whole = torch.autograd.grad(loss({"logits": logits}, labels), logits)[0]
    for part in (slice(0, 1), slice(1, 3), slice(3, 5)):
        loss({"logits": logits[part]}, labels[part], num_items_in_batch=items).backward()
    assert torch.allclose(logits.grad, whole, atol=1e-12)


def test_a_batch_where_nothing_counts_gives_zero():
    logits, labels = draw()
    loss = dist2()({"logits": logits}, torch.full_like(labels, -100), num_items_in_batch=9)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_the_logits_are_not_changed():
    logits, labels = draw()
    before = logits.detach().clone()
    dist2()({"logits": logits}, labels).backward()
    assert torch.equal(before, logits)


@pytest.mark.slow
def test_the_hugging_face_trainer_takes_it(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=20, n_positions=16, n_embd=16, n_layer=1, n_head=2, bos_token_id=0)
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(config)
    rows = [{"input_ids": torch.randint(20, (9,)), "labels": torch.randint(20, (9,))} for _ in range(8)]
    settings = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        max_steps=2,
        report_to=[],
        use_cpu=True,
        save_strategy="no",
        logging_steps=1,
    )
    trainer = transformers.Trainer(model, settings, train_dataset=rows, compute_loss_func=dist2())
    assert trainer.train().training_loss == pytest.approx(trainer.state.log_history[0]["loss"], rel=0.2)
    first = trainer.state.log_history[0]["loss"]
    # About log 20, and half of what a uniform prediction diverges from the targets of the digits.
    assert 2.5 < first < 4.5
