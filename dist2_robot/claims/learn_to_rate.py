"""Trains a reward model on a few rated moments of a task, and measures it on episodes that it never saw.

All methods of a seed and size get the same moments, weights to begin with, and order. N held-out moments, P pairs.
"""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.claims.rated_moments import RatedTask, rated_task
from dist2_robot.data.batches import BatchStream
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.evaluation.calibration import calibration
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.seeding import stream_seed
from dist2_robot.training.fresh_policy import fresh_policy
from dist2_robot.types import ACTION, ObservationSpec

REGRESSIONS = ("l1", "mse")
TOKENIZER = {"name": "per_dimension", "bins": None, "max_error": 0.5}


def learn_to_rate(settings: Mapping[str, Any], size: int, seed: int, folder: Path) -> dict[str, float]:
    """Train a reward model for each task, and return the mean of each measure over the tasks.

    Args:
        settings: ``loss`` as for the registry, and the entries of conf/study/claim_reward.yaml.
        size: Rated moments to learn from.
        seed: Of everything.
        folder: Where episodes are kept.
    """
    found = []
    for task in settings["tasks"]:
        episodes = settings["episodes"]
        rated = rated_task(task, 2 * episodes, seed, folder)
        training, held_out = (
            rated.table.frames_of(range(episodes)),
            rated.table.frames_of(range(episodes, 2 * episodes)),
        )
        generator = torch.Generator().manual_seed(stream_seed(seed, "train"))
        some = training[torch.randperm(len(training), generator=generator)[:size]]
        policy = _train(settings, rated, ChunkWindows(rated.table, some.sort().values, 1), seed)
        asked = held_out[torch.randperm(len(held_out), generator=generator)[: settings["held_out"]]]
        found.append(_measure(policy, ChunkWindows(rated.table, asked, 1), settings["pairs"], generator))
    return {name: fmean(each[name] for each in found) for name in found[0]}


def _train(settings: Mapping[str, Any], rated: RatedTask, windows: ChunkWindows, seed: int) -> Policy:
    is_regression = settings["loss"]["name"] in REGRESSIONS
    sizes = {key: settings[key] for key in ("width", "depth", "attention_heads")} | {"history": 1, "horizon": 1}
    body = {"name": "regression"} if is_regression else {"name": "token", "queries": "step", "generation": "parallel"}
    numbers = {name: column.shape[1] for name, column in rated.table.features.items() if name != ACTION}
    torch.manual_seed(seed)
    choices = {
        "policy": {**body, **sizes},
        "tokenizer": TOKENIZER,
        "head": {"name": "free"},
        "decoding": "mean",
        "sampling": {"temperature": 1.0, "top_p": 1.0},
        "distance": {"name": "squared", "unit": "tolerance"},
        "loss": settings["loss"],
        "vision": None,
        "instruction": {"name": "none"},
    }
    policy = fresh_policy(choices, rated.spec, ObservationSpec(numbers), windows, rated.table.tasks[0])
    loss = build_loss(getattr(policy, "tokenizer", None), settings["loss"])
    optimizer = torch.optim.AdamW(policy.parameters(), lr=settings["learning_rate"], weight_decay=1e-4, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings["learning_rate"], settings["steps"], pct_start=0.1
    )
    batches = BatchStream(windows, settings["batch_size"], seed).from_step(0)
    for _, batch in zip(range(settings["steps"]), batches, strict=False):
        optimizer.zero_grad()
        policy.loss(loss, batch).loss.backward()
        nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return policy.eval()


@torch.no_grad()
def _measure(policy: Policy, windows: ChunkWindows, pairs: int, generator: torch.Generator) -> dict[str, float]:
    batch = windows.gather(torch.arange(len(windows)))
    truth = batch.actions[:, 0]  # (N, 1 + S)
    chunk = policy.act(batch.observation)
    rated = chunk.actions[:, 0]
    likeliest = rated
    if isinstance(policy, DiscretePolicy):
        likeliest = policy.with_decoding("argmax").act(batch.observation).actions[:, 0]
    one, two = torch.randint(len(truth), (2, pairs), generator=generator)
    differ = truth[one, 0] != truth[two, 0]
    one, two = one[differ], two[differ]
    found = {
        "preference": preference_accuracy(rated[:, 0], truth[:, 0], one, two),
        "preference_argmax": preference_accuracy(likeliest[:, 0], truth[:, 0], one, two),
        "mae": float((rated - truth)[:, 0].abs().mean()),
        "mae_argmax": float((likeliest - truth)[:, 0].abs().mean()),
        "mae_stages": float((rated - truth)[:, 1:].abs().mean()),
        "rank_correlation": float(np.corrcoef(rankdata(rated[:, 0]), rankdata(truth[:, 0]))[0, 1]),
    }
    if chunk.expected_error is not None:
        expected, actual = chunk.expected_error[:, 0, 0], (rated - truth)[:, 0].abs()
        found["calibration"] = calibration(np.asarray(expected), np.asarray(actual)).calibration_error
    return found


def preference_accuracy(rated: Tensor, truth: Tensor, one: Tensor, two: Tensor) -> float:
    """Return the share of pairs in which the rated order is the true one; a tie counts half.

    Args:
        rated: (N,).
        truth: (N,).
        one: (P,), the first of each pair.
        two: (P,), the second, of another true score.
    """
    order = (rated[one] - rated[two]).sign() * (truth[one] - truth[two]).sign()
    return float((order + 1).double().mean() / 2)
