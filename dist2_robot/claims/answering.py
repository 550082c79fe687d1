"""Trains a policy to answer a task of one step, from what a pretrained eye tells, and measures it on other scenes.

All methods of a seed and size get the same eye, scenes, weights to begin with, and order. N scenes, A numbers of an
answer.
"""

import json
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.claims.pointing import Pretraining, pretrained, seen_by
from dist2_robot.claims.scenes import scenes, spec_of
from dist2_robot.data.batches import BatchStream
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.policies.policy import Policy
from dist2_robot.seeding import Stream, stream_seed
from dist2_robot.tracking.protocol import Trackers
from dist2_robot.training.config import TrainerConfig
from dist2_robot.training.fresh_policy import fresh_policy
from dist2_robot.training.trainer import Trainer
from dist2_robot.types import STATE, ObservationSpec

EARLY = 0.25  # of the steps
Judge = Callable[[Tensor, Tensor], Mapping[str, float]]  # answers and right answers, (N, A) each


def learn_to_answer(settings: Mapping[str, Any], size: int, seed: int, judges: Mapping[str, Judge]) -> dict[str, float]:
    """Train on the first `size` scenes; return what the judges find, and with ``_early`` after a quarter of the steps.

    Args:
        settings: ``environment``, ``points`` and ``pretraining`` (see `Pretraining`); ``loss`` and ``tokenizer`` as for
            the registry; ``policy``: its name; and the sizes and rates of conf/study/claim_grounding.yaml.
        size: Scenes to learn from.
        seed: Of everything.
        judges: Name of a test set -> what judges it; a test set is named by its options of the environment, in
            ``settings["tests"]``.
    """
    points = settings["points"]
    how = Pretraining(
        environment=settings["environment"],
        options=tuple(sorted(settings["options"].items())),
        points=points and tuple((tuple(xs), tuple(ys)) for xs, ys in points),
        seed=seed,
        **settings["pretraining"],
    )
    places_only = settings.get("places_only", False)
    learned_from = _seen(how, json.dumps(settings["options"]), "train", settings["largest"], places_only)
    windows = ChunkWindows(learned_from.table, learned_from.frames[:size], 1)
    spec = spec_of(how.environment, settings["options"])
    observation = ObservationSpec({STATE: windows.table.features[STATE].shape[1]}, {}, windows.table.tasks)
    torch.manual_seed(stream_seed(seed, "train"))
    policy = fresh_policy(_config(settings), spec, observation, windows, settings["environment"])
    loss = build_loss(getattr(policy, "tokenizer", None), settings["loss"])
    steps, found = settings["steps"], {}

    def check(policy: Policy) -> dict[str, float]:
        is_end = trainer.step == steps
        for name, judge in judges.items():
            held_out = _seen(how, json.dumps(settings["tests"][name]), "evaluate", settings["held_out"], places_only)
            judged = judge(*_answers(policy, held_out))
            found.update({key if is_end else f"{key}_early": value for key, value in judged.items()})
        return found

    trainer = Trainer(
        policy,
        loss,
        TrainerConfig(
            steps=steps,
            batch_size=settings["batch_size"],
            learning_rate=settings["learning_rate"],
            weight_decay=0.01,
            warmup_steps=max(1, steps // 20),
            gradient_clip=1.0,
            ema_decay=0.98,
            log_every=steps,
            validate_every=math.ceil(EARLY * steps),
            save_every=0,
            evaluate_every=0,
        ),
        tracker=Trackers(),
        validate=check,
        evaluate=None,
        save=lambda *_: None,
        seed=seed,
    )
    trainer.run(BatchStream(windows, settings["batch_size"], seed).from_step(0))
    return found


def _config(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choices that make the policy: free logits, a query a token."""
    is_token = settings["policy"] == "token"
    tokens = {"queries": "token", "generation": settings.get("generation", "parallel")}
    sizes = {"horizon": 1, "history": 1, "width": settings["width"], "depth": settings["depth"], "attention_heads": 4}
    return {
        "policy": {"name": settings["policy"], **sizes, **(tokens if is_token else {})},
        "tokenizer": settings["tokenizer"],
        "head": {"name": "free"},
        "decoding": "argmax",
        "sampling": None,
        "distance": {"name": "squared", "unit": "tolerance"},
        "loss": settings["loss"],
        "vision": None,
        "instruction": {"name": "words"},
    }


def _answers(policy: Policy, windows: ChunkWindows) -> tuple[Tensor, Tensor]:
    """Return what a policy answers and what is right, (N, A) each."""
    batches = [windows.gather(some) for some in torch.arange(len(windows)).split(250)]
    answers = [policy.act(batch.observation).actions[:, 0] for batch in batches]
    return torch.cat(answers), torch.cat([batch.actions[:, 0] for batch in batches])


@lru_cache(maxsize=8)
def _seen(how: Pretraining, options: str, split: Stream, count: int, places_only: bool) -> ChunkWindows:
    return seen_by(pretrained(how), scenes(how.environment, json.loads(options), split, how.seed, count), places_only)
