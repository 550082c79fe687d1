"""Trains a `NumberWriter` on a few problems and measures it on others.

All methods of a seed and size get the same problems, weights to begin with, and order.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.registry import build_loss, build_tokenizer
from dist2_robot.claims.linear_problems import DETERMINED, LinearProblems, draw_problems, without_learning
from dist2_robot.claims.number_writer import NumberWriter
from dist2_robot.losses.output import log_probabilities
from dist2_robot.seeding import stream_seed
from dist2_robot.tokenizers.digits import DigitsTokenizer
from dist2_robot.tokenizers.tokenizer import Tokenizer

EARLY = 0.25  # of the steps: where `mae_early` is taken
EARLY_PROBLEMS = 500
SPEC = ActionSpec((ActionDimension("y", "ee_position", "of the range", 0.0, 1.0),), "absolute", 1.0, "file")


def learn_to_write(settings: Mapping[str, Any], size: int, seed: int) -> dict[str, float]:
    """Train on `size` problems, and return the errors on held-out ones, in the range of y.

    Args:
        settings: ``loss`` and ``tokenizer`` as for the registry, ``within_answers`` (see `answer_loss`), and the sizes
            and rates of conf/study/claim_numbers.yaml.
        size: Training problems.
        seed: Of everything.
    """
    x_tokens, y_tokens = (
        _tokenizer({"name": "digits", "digits": settings["digits"]}, 1),
        _tokenizer(settings["tokenizer"], 1),
    )
    assert isinstance(x_tokens, DigitsTokenizer)
    draw = {"pairs": settings["pairs"], "cells": x_tokens.base**x_tokens.digits}
    generator = torch.Generator().manual_seed(stream_seed(seed, "train"))
    problems = draw_problems(size, **draw, generator=generator)
    held_out = draw_problems(
        settings["held_out"], **draw, generator=torch.Generator().manual_seed(stream_seed(seed, "evaluate"))
    )
    if "rule" in settings:
        return _errors(without_learning(held_out, settings["rule"]), held_out, y_tokens)
    torch.manual_seed(seed)
    sizes = {key: settings[key] for key in ("pairs", "width", "depth", "heads")}
    writer = NumberWriter(x_tokens, y_tokens, **sizes)
    answers = settings["pairs"] - DETERMINED
    loss = build_loss(_tokenizer(settings["tokenizer"], answers), settings["loss"])
    optimizer = torch.optim.AdamW(writer.parameters(), lr=settings["learning_rate"], weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, settings["steps"]))
    tokens = writer.written(problems)
    found: dict[str, float] = {}
    for step in range(1, settings["steps"] + 1):
        index = torch.randperm(size, generator=generator)[: settings["batch_size"]]
        optimizer.zero_grad()
        answer_loss(writer, loss, tokens[index], settings["within_answers"]).backward()
        nn.utils.clip_grad_norm_(writer.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step == math.ceil(EARLY * settings["steps"]):
            some = held_out.take(torch.arange(min(EARLY_PROBLEMS, len(held_out))))
            found["mae_early"] = _errors(writer.write(some), some, y_tokens)["mae"]
    return _errors(writer.write(held_out), held_out, y_tokens) | found


def answer_loss(writer: NumberWriter, loss: nn.Module, tokens: Tensor, within_answers: bool) -> Tensor:
    """Return the loss of every y that the pairs before it determine.

    Losses here know the V tokens of y alone. With p over the whole vocabulary and m its mass on those, cross-entropy is
    that within them plus ``-log m``; so every loss gets ``-log m`` added (DIST2Loss with ``support=metric_tokens``),
    but for the vocab baseline, which is cross-entropy without it.

    Args:
        writer: The network.
        loss: Of logits (N, L, V) and tokens (N, L).
        tokens: (N, S).
        within_answers: Whether the mass on other tokens is let be.
    """
    after = writer(tokens[:, :-1])  # (N, S - 1, vocabulary), from the second token on
    logits = writer.answers(torch.cat([after[:, :1], after], dim=1), DETERMINED)
    number = writer.y_tokens.vocab_size
    total = loss(logits[..., :number], writer.answers(tokens, DETERMINED)).loss
    if within_answers:
        return total
    mass = torch.logsumexp(log_probabilities(logits)[..., :number], -1)
    return total - mass.mean()


def _tokenizer(config: Mapping[str, Any], horizon: int) -> Tokenizer:
    return build_tokenizer(SPEC, {**config, "horizon": horizon})


def _rate(step: int, steps: int) -> float:
    """Return the share of the learning rate: a rise over a twentieth of the steps, then a cosine down to 0."""
    rise = max(1, steps // 20)
    return min(1.0, (step + 1) / rise) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _errors(written: Tensor, problems: LinearProblems, y_tokens: Tokenizer) -> dict[str, float]:
    truth = problems.y[:, -1]
    error = (written - truth).double()
    same = (y_tokens.encode(written.view(-1, 1, 1)) == y_tokens.encode(truth.view(-1, 1, 1))).all(-1)
    return {
        "mae": float(error.abs().mean()),
        "rmse": float(error.square().mean().sqrt()),
        "exact": float(same.double().mean()),
    }
