"""The claim that DIST2Loss boxes what words name more often, and misses by less: visual grounding."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_iou

from dist2_robot.claims.answering import learn_to_answer
from dist2_robot.claims.claim import CORE, Claim, Measure, Published
from dist2_robot.claims.methods import (
    ABSOLUTE,
    ALPHA,
    ALPHA_ABOUT,
    CONTROLS,
    PAPER,
    REFERENCE,
    SUBJECTS,
    TAU,
    Loss,
    seeded,
    usual_methods,
    variants,
)
from dist2_robot.claims.trial import Trial

ENVIRONMENT = "gym_dist2/Grounding-v0"
POINTS = [[[0, 2], [1, 3]]]  # the middle of the box
LEAST_IOU = 0.5
TAUS = (0.25, 4.0, 16.0, 64.0)  # squared bins
METHODS: dict[str, Loss] = {
    **usual_methods(PAPER),
    "number_token_was": {
        "name": "number_token_was",
        "weight": 0.3,
        "distance": ABSOLUTE,
    },
    "emd": {"name": "emd"},
    "regression_l1": {"name": "l1"},
}
MEASURES = (
    Measure("accuracy", "Share of boxes whose IoU with the true one is 0.5 or more.", is_error=False),
    Measure("mean_iou", "Mean IoU of all boxes.", is_error=False),
    Measure("failed_iou", "Mean IoU of the boxes below 0.5.", is_error=False),
    Measure("corner_error", "Mean absolute error of the four sides, as a share of the picture."),
    Measure("accuracy_early", "Accuracy after a quarter of the steps.", is_error=False),
)


def claim_grounding(*, seeds: Sequence[int], sizes: Sequence[int], primary_size: int, bins: int, **rest: Any) -> Claim:
    """Make the claim.

    Args:
        seeds: Of scenes, the eye, weights and order.
        sizes: Scenes to learn from.
        primary_size: Where the verdict is taken, and the sweeps are.
        bins: Tokens of a side.
        rest: ``image_size``, ``pretraining``, and sizes and rates of the training; see conf/study/claim_grounding.yaml.
    """
    options = {"image_size": rest.pop("image_size")}
    shared = {
        **rest,
        "environment": ENVIRONMENT,
        "options": options,
        "tests": {"": options},
        "points": POINTS,
        "largest": max(sizes),
        "tokenizer": {"name": "uniform", "bins": bins},
    }

    def trial(part: str, method: str, loss: Mapping[str, Any], size: int, seed: int) -> Trial:
        policy = "regression" if loss["name"] == "l1" else "token"
        return Trial(part, method, size, seed, {**shared, "policy": policy, "loss": seeded(loss, seed)})

    core = [trial(CORE, name, loss, size, seed) for seed, size, (name, loss) in product(seeds, sizes, METHODS.items())]
    sweeps = [
        trial(part, name, loss, primary_size, seed)
        for seed, (part, name, loss) in product(seeds, variants(PAPER, TAUS))
    ]
    return Claim(
        name="claim_grounding",
        about=(
            "Trained with DIST2Loss, a model that reads a phrase and sees a picture boxes what is named more often "
            "than with one-hot cross-entropy, and comes nearer where it fails."
        ),
        changed=(
            "No language model and no photographs: drawn scenes of three to five things on a table, phrases by looks, "
            "extremes and neighbours.",
            f"No pretrained model: an eye of {rest['pretraining']['channels']} channels learns from "
            f"{rest['pretraining']['scenes']} other scenes to point at what is named, without coordinates, then is "
            f"frozen; on what it tells, a transformer of width {rest['width']} and depth {rest['depth']} is trained "
            f"from scratch, {rest['steps']} steps.",
            f"A side of the box is one token of {bins}, all four at once; the most probable token is taken.",
            "All tokens there are have distances, so that the baseline vocab is cross_entropy, and is left out.",
        ),
        size_name="scenes",
        primary_size=primary_size,
        measures=MEASURES,
        subjects=SUBJECTS,
        reference=REFERENCE,
        controls=CONTROLS,
        parts={
            CORE: "All methods.",
            ALPHA: ALPHA_ABOUT,
            TAU: "dist2_paper with other temperatures, squared bins.",
        },
        trials=(*core, *sweeps),
        execute=try_grounding,
        published=Published("RefCOCO+ test-B accuracy, Phi-3-V; RefCOCO test-A: 93.5 -> 94.5", 78.7, 81.4),
    )


def try_grounding(trial: Trial, output: Path) -> dict[str, float]:
    """Do a trial."""
    return learn_to_answer(trial.settings, trial.size, trial.seed, {"": judge_boxes})


def judge_boxes(boxes: Tensor, truth: Tensor) -> dict[str, float]:
    """Return the measures of boxes (N, 4): left, top, right, bottom. One that is inside out overlaps nothing."""
    iou = torch.stack([box_iou(a[None], b[None])[0, 0] for a, b in zip(boxes, truth, strict=True)]).nan_to_num(0.0)
    is_right = iou >= LEAST_IOU
    found = {
        "accuracy": float(is_right.double().mean()),
        "mean_iou": float(iou.double().mean()),
        "corner_error": float((boxes - truth).abs().double().mean()),
    }
    return found if is_right.all() else {**found, "failed_iou": float(iou[~is_right].double().mean())}
