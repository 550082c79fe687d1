"""DIST2Loss on a causal language model whose last tokens are action bins, as in OpenVLA, with Hugging Face's Trainer.

A prompt of text tokens states a target; the answer is a word and four action tokens, the same four numbers with noise.
The model is tiny and untrained, and nothing is downloaded. Text tokens keep plain cross-entropy.

    python docs/examples/openvla_tokens.py
"""

import tempfile

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.losses.causal_lm import CausalLMLoss
from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.dist2 import Dist2Loss

TEXT, BINS, DIMENSIONS = 64, 128, 4  # the vocabulary: 64 words, then 128 action bins
ACTION_TOKENS = torch.arange(TEXT, TEXT + BINS)
TOLERANCE_BINS = 2.0  # an error of two bins matters


def examples(count: int, seed: int) -> list[dict[str, list[int]]]:
    """Return prompts with answers; -100 marks what the loss leaves out."""
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(TEXT - 1, (count, DIMENSIONS), generator=generator)  # each says where to move to
    noise = torch.randn(count, DIMENSIONS, generator=generator)
    bins = (words * 2 + 1 + noise).round().clamp(0, BINS - 1).long()
    answer = torch.cat([torch.full((count, 1), TEXT - 1), TEXT + bins], dim=1)  # the word "move:", then the action
    tokens = torch.cat([words, answer], dim=1)
    labels = tokens.clone()
    labels[:, :DIMENSIONS] = -100
    return [{"input_ids": t.tolist(), "labels": y.tolist()} for t, y in zip(tokens, labels, strict=True)]


def train(loss: torch.nn.Module) -> LlamaForCausalLM:
    """Fine-tune a fresh model with a loss over tokens."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=TEXT + BINS, max_position_embeddings=32, **sizes))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            max_steps=300,
            per_device_train_batch_size=32,
            learning_rate=2e-3,
            report_to=[],
            save_strategy="no",
            logging_steps=100,
            disable_tqdm=True,
        )
        trainer = Trainer(
            model, arguments, train_dataset=examples(400, seed=0), compute_loss_func=CausalLMLoss(loss, ACTION_TOKENS)
        )
        trainer.train()
    return model


@torch.no_grad()
def action_error(model: LlamaForCausalLM) -> float:
    """Return the mean error in bins on new prompts, decoding the likeliest action token given the right ones before."""
    tokens = torch.tensor([example["input_ids"] for example in examples(500, seed=1)]).to(model.device)
    logits = model.eval()(tokens).logits[:, DIMENSIONS:-1]  # what is predicted for the action tokens
    chosen = logits[..., TEXT:].argmax(-1)
    return float((chosen + TEXT - tokens[:, DIMENSIONS + 1 :]).abs().float().mean())


def main() -> None:
    """Train with one-hot targets and with DIST2Loss, and compare."""
    points = TokenPoints.of_values(torch.arange(BINS) / TOLERANCE_BINS)  # in tolerances
    dist2 = Dist2Loss(points.distances(SquaredDistance()), tau=2.0, alpha=1.0, token_ids=ACTION_TOKENS)
    for name, loss in {"cross-entropy": CrossEntropyLoss(), "DIST2Loss": dist2}.items():
        print(f"{name}: action error {action_error(train(loss)):.2f} bins")


if __name__ == "__main__":
    main()
