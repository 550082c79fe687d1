"""The claim that DIST2Loss writes better numbers: linear regression in context. It is the one that could refute it."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from dist2_robot.claims.claim import CORE, Claim, Measure, Published
from dist2_robot.claims.in_context import learn_to_write
from dist2_robot.claims.methods import (
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

NO_LEARNING, PLACES, UNIFORM = "no_learning", "places_and_contrast", "uniform_tokens"
PLACE_WEIGHTED = {**PAPER, "place_weights": "linear"}
TAUS = (0.25, 0.5, 2.0, 4.0, 8.0)  # squared digits
METHODS: dict[str, Loss] = {
    **usual_methods(PLACE_WEIGHTED),
    "number_token_was": {"name": "number_token_was", "weight": 0.3, "distance": {"name": "absolute", "unit": "bins"}},
    "vocab": {"name": "vocab"},
    "ntil": {"name": "ntil"},
    "number_token_mse": {"name": "number_token_mse", "weight": 0.3},
}
WITHIN_ANSWERS = ("vocab",)
ON_UNIFORM = ("cross_entropy", "dist2_paper", "label_smoothing", "random", "dist2_energy", "number_token_was")
MEASURES = (
    Measure("mae", "Mean absolute error of the written y, in the range of y."),
    Measure("rmse", "Root mean square error, in the range of y."),
    Measure("mae_early", "Mean absolute error after a quarter of the steps, on 500 problems."),
    Measure("exact", "Share of y's of which every digit is right.", is_error=False),
)


def claim_numbers(
    *,
    seeds: Sequence[int],
    sizes: Sequence[int],
    primary_size: int,
    sweep_size: int,
    digits: int,
    bins: int,
    **network: Any,
) -> Claim:
    """Make the claim.

    Args:
        seeds: Of problems, weights and order.
        sizes: Training problems of the core.
        primary_size: Where the verdict is taken.
        sweep_size: Training problems of the other parts.
        digits: Of a number.
        bins: Of a y that is one token.
        network: ``pairs``, ``held_out``, and sizes and rates of the training; see conf/study/claim_numbers.yaml.
    """
    shared = {**network, "digits": digits, "tokenizer": {"name": "digits", "digits": digits}}

    def trial(part: str, method: str, loss: Mapping[str, Any], size: int, seed: int, **changes: Any) -> Trial:
        loss = seeded(loss, seed)
        settings = {"loss": loss, "within_answers": method in WITHIN_ANSWERS, **shared, **changes}
        return Trial(part, method, size, seed, settings)

    in_bins = {"tokenizer": {"name": "uniform", "bins": bins}}
    first: list[Trial] = []
    later: list[Trial] = []
    for seed in seeds:
        core = [trial(CORE, name, loss, size, seed) for size, (name, loss) in product(sizes, METHODS.items())]
        sweeps = [trial(part, name, loss, sweep_size, seed) for part, name, loss in _sweeps()]
        uniform = [trial(UNIFORM, name, _in_bins(METHODS[name]), sweep_size, seed, **in_bins) for name in ON_UNIFORM]
        rules = [trial(NO_LEARNING, rule, {}, sweep_size, seed, rule=rule) for rule in ("mean", "nearest")]
        first += [*rules, *core]
        later += [*uniform, *sweeps]
    return Claim(
        name="claim_numbers",
        about=(
            "Trained with DIST2Loss, a language model writes numbers with less error than with one-hot cross-entropy, "
            "the more so from few examples."
        ),
        changed=(
            f"No pretrained language model: a causal transformer of width {network['width']} and depth "
            f"{network['depth']}, from scratch (but for embeddings that know what a digit counts), {network['steps']} "
            "steps, no selection of checkpoints.",
            f"y on a line whose heights at x = 0 and x = 1 are uniform in (0, 1); {network['pairs'] - 1} pairs, of "
            f"evenly spaced x, then an x at random; numbers of {digits} digits (the paper: place weights of four).",
            "dist2_paper: squared difference of digits, tau 1, alpha .1, linear place weights, and no contrastive "
            f"augmentation, whose formula we do not know (our reading of it: the part {PLACES}).",
            f"The verdict is taken at {primary_size} problems, as in the paper's table, where a model from scratch has "
            "little to learn from: see the other sizes too.",
        ),
        size_name="training problems",
        primary_size=primary_size,
        measures=MEASURES,
        subjects=SUBJECTS,
        reference=REFERENCE,
        controls=CONTROLS,
        parts={
            CORE: "All methods, in digits.",
            ALPHA: ALPHA_ABOUT,
            TAU: "dist2_paper with other temperatures, squared digits.",
            PLACES: "dist2_paper without place weights, and with our reading of the contrastive augmentation.",
            UNIFORM: f"y as one token of {bins}, in place of {digits} digits.",
            NO_LEARNING: "What needs no training: the mean of the y's read, and the y of the nearest x.",
        },
        trials=(*first, *later),
        execute=try_numbers,
        published=Published("10 training problems, MAE", 0.113, 0.092),
    )


def try_numbers(trial: Trial, output: Path) -> dict[str, float]:
    """Do a trial."""
    return learn_to_write(trial.settings, trial.size, trial.seed)


def _sweeps() -> list[tuple[str, str, Loss]]:
    """Return part, method and loss of the variants of dist2_paper."""
    found = variants(PLACE_WEIGHTED, TAUS)
    flat = {**PLACE_WEIGHTED, "place_weights": "none"}
    found.append((PLACES, "no_place_weights", flat))
    found += [(PLACES, f"contrast={contrast:g}", {**PLACE_WEIGHTED, "contrast": contrast}) for contrast in (0.1, 1.0)]
    found.append((PLACES, "no_place_weights contrast=0.1", {**flat, "contrast": 0.1}))
    return found


def _in_bins(loss: Mapping[str, Any]) -> dict[str, Any]:
    """Return a loss for numbers of one token, which has no places."""
    return {key: value for key, value in loss.items() if key != "place_weights"}
