"""DIST2Loss on numbers written in digits, with Hugging Face's Trainer.

The model reads two numbers of three digits and writes their mean: "123 457 : 290". Digits are metric tokens, the rest
is text: a wrong digit near the right one costs less than a far one.

    python docs/examples/digit_tokens.py
"""

import tempfile

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.losses.causal_lm import CausalLMLoss
from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.dist2 import Dist2Loss

SPACE, COLON = 10, 11  # tokens 0 to 9 are the digits
DIGITS = torch.arange(10)
ANSWER = 3  # digits


def examples(count: int, seed: int) -> list[dict[str, list[int]]]:
    """Return ``a a a space b b b colon m m m`` with labels for the mean m."""
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randint(1000, (2, count), generator=generator)
    spell = lambda n: torch.stack([n // 100, n // 10 % 10, n % 10], dim=1)  # noqa: E731
    space, colon = torch.full((count, 1), SPACE), torch.full((count, 1), COLON)
    tokens = torch.cat([spell(a), space, spell(b), colon, spell((a + b) // 2)], dim=1)
    labels = tokens.clone()
    labels[:, :-ANSWER] = -100
    return [{"input_ids": t.tolist(), "labels": y.tolist()} for t, y in zip(tokens, labels, strict=True)]


def train(loss: torch.nn.Module) -> GPT2LMHeadModel:
    """Train a fresh model with a loss over tokens."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=12, n_positions=16, n_embd=64, n_layer=2, n_head=4))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            max_steps=400,
            per_device_train_batch_size=64,
            learning_rate=3e-3,
            report_to=[],
            save_strategy="no",
            logging_steps=200,
            disable_tqdm=True,
        )
        trainer = Trainer(
            model, arguments, train_dataset=examples(2000, seed=0), compute_loss_func=CausalLMLoss(loss, DIGITS)
        )
        trainer.train()
    return model


@torch.no_grad()
def mean_error(model: GPT2LMHeadModel) -> float:
    """Return the mean absolute error of the numbers that the model writes, digit by digit."""
    tokens = torch.tensor([example["input_ids"] for example in examples(500, seed=1)]).to(model.device)
    written = tokens[:, :-ANSWER]
    for _ in range(ANSWER):
        digit = model.eval()(written).logits[:, -1, :10].argmax(-1, keepdim=True)
        written = torch.cat([written, digit], dim=1)
    place = torch.tensor([100, 10, 1], device=model.device)
    return float(((written - tokens)[:, -ANSWER:] * place).sum(1).abs().float().mean())


def main() -> None:
    """Train with one-hot targets and with DIST2Loss, and compare."""
    table = TokenPoints.of_values(torch.arange(10.0)).distances(SquaredDistance())
    dist2 = Dist2Loss(table, tau=1.0, alpha=0.1, token_ids=DIGITS)  # as published
    for name, loss in {"cross-entropy": CrossEntropyLoss(), "DIST2Loss": dist2}.items():
        print(f"{name}: mean absolute error {mean_error(train(loss)):.1f}")


if __name__ == "__main__":
    main()
