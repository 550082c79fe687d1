"""The claim that DIST2Loss makes a better reward model: it tells which of two moments of a task got further."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from dist2_robot.claims.claim import CORE, Claim, Measure, Published
from dist2_robot.claims.learn_to_rate import learn_to_rate
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

TAUS = (0.25, 0.5, 2.0, 4.0, 8.0)  # squared points
METHODS: dict[str, Loss] = {
    **usual_methods(PAPER),
    "emd": {"name": "emd", "spacing": False},
    "number_token_was": {"name": "number_token_was", "weight": 0.3, "distance": ABSOLUTE},
    "l1": {"name": "l1"},
    "mse": {"name": "mse"},
}
MEASURES = (
    Measure(
        "preference",
        "Share of pairs of held-out moments with different true scores that are ranked right by the expected score "
        "(chance: .5).",
        is_error=False,
    ),
    Measure("preference_argmax", "The same by the most probable score; a tie counts half.", is_error=False),
    Measure("mae", "Mean absolute error of the expected score, in points of 20."),
    Measure("mae_argmax", "Mean absolute error of the most probable score, in points of 20."),
    Measure("mae_stages", "Mean absolute error of the expected scores of the stages, in points of 4."),
    Measure("rank_correlation", "Spearman's, of expected and true scores.", is_error=False),
    Measure(
        "calibration",
        "Difference of the error that is expected of a score and the real one, in ten groups of moments by the former, "
        "in points of 20. None for regression, which expects nothing.",
    ),
)


def claim_reward(
    *,
    seeds: Sequence[int],
    sizes: Sequence[int],
    primary_size: int,
    sweep_size: int,
    tasks: Sequence[str],
    **training: Any,
) -> Claim:
    """Make the claim.

    Args:
        seeds: Of episodes, moments, weights and order.
        sizes: Rated moments of the core.
        primary_size: Where the verdict is taken.
        sweep_size: Rated moments of the other parts.
        tasks: Environments of gym_dist2; measures are means over them.
        training: ``episodes``, ``held_out``, ``pairs``, and sizes and rates; see conf/study/claim_reward.yaml.
    """
    shared = {**training, "tasks": list(tasks)}

    def trial(part: str, method: str, loss: Mapping[str, Any], size: int, seed: int) -> Trial:
        return Trial(part, method, size, seed, {"loss": seeded(loss, seed), **shared})

    core = [
        trial(CORE, name, loss, size, seed)
        for seed, size, (name, loss) in product(seeds, sizes, METHODS.items())
    ]  # fmt: skip
    sweeps = [
        trial(part, name, loss, sweep_size, seed) for seed, (part, name, loss) in product(seeds, variants(PAPER, TAUS))
    ]  # fmt: skip
    return Claim(
        name="claim_reward",
        about=(
            "Trained with DIST2Loss on scores of 0 to 20, a reward model tells better than with one-hot cross-entropy "
            "which of two got further."
        ),
        changed=(
            "No language model and no texts: a transformer of width "
            f"{training['width']} and depth {training['depth']}, from scratch, sees what a simulated robot senses, and "
            "rates how far its task got (score 0 to 20, and 0 to 4 for each stage).",
            f"Means over {len(tasks)} tasks, a model for each: {', '.join(tasks)}; {training['episodes']} episodes to "
            "learn from and as many held out, of scripted experts with noise and, in most episodes, a lapse.",
            f"Ratings are the true progress in the simulation, without a rater's noise; {training['steps']} steps, no "
            "selection of checkpoints.",
            "All tokens of an answer are metric ones, so the vocab baseline is cross-entropy itself, and is left out.",
        ),
        size_name="rated moments",
        primary_size=primary_size,
        measures=MEASURES,
        subjects=SUBJECTS,
        reference=REFERENCE,
        controls=CONTROLS,
        parts={
            CORE: "All methods.",
            ALPHA: ALPHA_ABOUT,
            TAU: "dist2_paper with other temperatures, squared points.",
        },
        trials=(*core, *sweeps),
        execute=try_reward,
        published=Published("RewardBench average, Llama-3.1-8B", 75.3, 85.3),
    )


def try_reward(trial: Trial, output: Path) -> dict[str, float]:
    """Do a trial."""
    return learn_to_rate(trial.settings, trial.size, trial.seed, output / "episodes")
