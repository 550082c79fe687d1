"""DIST2Loss on the tokens of a vector-quantised image model, with Hugging Face's Trainer.

A codebook of 1,024 codes; images are rows of codes that move smoothly through it, after a token that says how. The
distance is the mean squared error between code embeddings, its temperature is found by the entropy of the target, and
only the 32 nearest codes of each code are kept. (For very large codebooks `Dist2Loss.from_points` never makes the table
of all pairs; it wants tau as a number.)

    python docs/examples/image_tokens.py
"""

import tempfile

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from dist2_robot.distances.entropy_temperature import EntropyTemperature
from dist2_robot.distances.euclidean import EuclideanDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.losses.causal_lm import CausalLMLoss
from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.dist2 import Dist2Loss

CODES, SIZE, LENGTH, KINDS = 1024, 4, 24, 16
CODEBOOK = torch.rand(CODES, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
IMAGE_TOKENS = torch.arange(KINDS, KINDS + CODES)  # after the tokens that say what to draw


def examples(count: int, seed: int) -> list[dict[str, list[int]]]:
    """Return a kind and the codes nearest to points on a circle of that kind, with noise."""
    generator = torch.Generator().manual_seed(seed)
    kind = torch.randint(KINDS, (count, 1), generator=generator)
    angle = torch.arange(LENGTH) * 0.25 + kind * (2 * torch.pi / KINDS)  # (N, LENGTH)
    points = 0.7 * torch.stack([angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos()], dim=-1)
    points += 0.1 * torch.randn(points.shape, generator=generator)
    codes = torch.cdist(points, CODEBOOK[None].expand(count, -1, -1)).argmin(-1)
    tokens = torch.cat([kind, KINDS + codes], dim=1)
    labels = tokens.clone()
    labels[:, 0] = -100
    return [{"input_ids": t.tolist(), "labels": y.tolist()} for t, y in zip(tokens, labels, strict=True)]


def train(loss: torch.nn.Module) -> GPT2LMHeadModel:
    """Train a fresh model with a loss over tokens."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=KINDS + CODES, n_positions=32, n_embd=64, n_layer=2, n_head=4))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            max_steps=200,
            per_device_train_batch_size=16,
            learning_rate=3e-3,
            report_to=[],
            save_strategy="no",
            logging_steps=100,
            disable_tqdm=True,
        )
        trainer = Trainer(
            model, arguments, train_dataset=examples(200, seed=0), compute_loss_func=CausalLMLoss(loss, IMAGE_TOKENS)
        )
        trainer.train()
    return model


@torch.no_grad()
def embedding_error(model: GPT2LMHeadModel) -> float:
    """Return the mean squared error between the embeddings of the likeliest and of the right codes."""
    tokens = torch.tensor([example["input_ids"] for example in examples(200, seed=1)]).to(model.device)
    chosen = model.eval()(tokens).logits[:, :-1, KINDS:].argmax(-1).cpu()
    return float((CODEBOOK[chosen] - CODEBOOK[tokens[:, 1:].cpu() - KINDS]).square().mean())


def main() -> None:
    """Train with one-hot targets and with DIST2Loss, and compare."""
    points = TokenPoints(CODEBOOK.double()[None], groups=torch.zeros(1, dtype=torch.long))
    dist2 = Dist2Loss(
        points.distances(EuclideanDistance(squared=True)),
        tau=EntropyTemperature(2.0),
        alpha=1.0,
        neighbours=32,
        token_ids=IMAGE_TOKENS,
    )
    for name, loss in {"cross-entropy": CrossEntropyLoss(), "DIST2Loss": dist2}.items():
        print(f"{name}: squared error between code embeddings {embedding_error(train(loss)):.4f}")


if __name__ == "__main__":
    main()
