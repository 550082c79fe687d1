"""The claim that DIST2Loss draws better pictures from the codes of a codebook, early in training above all."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from dist2_robot.claims.claim import CORE, Claim, Measure, Published
from dist2_robot.claims.methods import ALPHA, ALPHA_ABOUT, CONTROLS, REFERENCE, TAU, seeded
from dist2_robot.claims.next_frame import SAME_MASS, predict_frames
from dist2_robot.claims.trial import Trial

NO_LEARNING = "no_learning"
CODECS = "codecs"  # folder in the output
NATS = 2.0  # of a target: some seven codes
TAU_BY_ENTROPY = {"name": "entropy", "nats": NATS}
EMBEDDINGS = {"name": "euclidean", "squared": True, "unit": "tolerance"}
PAPER = {"name": "dist2", "alpha": 0.1, "tau": TAU_BY_ENTROPY, "distance": EMBEDDINGS}
LENGTHS = {"name": "euclidean", "squared": False, "unit": "tolerance"}
METHODS: dict[str, dict[str, Any]] = {
    "cross_entropy": {"name": "cross_entropy"},
    "dist2_paper": PAPER,
    "label_smoothing": {"name": "label_smoothing", "epsilon": 0.091},
    "label_smoothing_mass": {"name": "label_smoothing", "epsilon": SAME_MASS, "mass_of": PAPER},
    "random": {**PAPER, "distance": {"name": "random", "of": "squared", "unit": "tolerance"}},
    "dist2": {**PAPER, "alpha": 1.0},
    "number_token_was": {"name": "number_token_was", "weight": 0.3, "distance": LENGTHS},
    "energy": {"name": "energy", "distance": LENGTHS},
}
MEASURES = (
    Measure(
        "frechet",
        "Fréchet distance of sampled pictures from the true ones in features of a fixed network with random weights "
        "(no FID: no trained network comes with a package).",
    ),
    Measure("place", "How far the red cube is from where it should be, pixels, most probable code each."),
    Measure("place_sampled", "The same of sampled pictures."),
    Measure("psnr", "Peak signal-to-noise ratio of pictures of the most probable code each, dB.", is_error=False),
    Measure("exact", "Share of right codes, most probable code each.", is_error=False),
    Measure("nats", "Cross-entropy of a code given the right ones before it, nats."),
)


def claim_frames(
    *,
    seeds: Sequence[int],
    late_seeds: int,
    sizes: Sequence[int],
    primary_size: int,
    image_size: int,
    horizon: int,
    width: int,
    depth: int,
    codec: Mapping[str, Any],
    **rest: Any,
) -> Claim:
    """Make the claim.

    Args:
        seeds: Of held-out episodes, codes, weights and order.
        late_seeds: With how many of the seeds other sizes than the primary one, and the sweeps, are tried.
        sizes: Steps of the optimiser.
        primary_size: Where the verdict is taken, and the sweeps are.
        image_size: Pixels of a picture's side.
        horizon: Steps of the environment from a picture to the one that is predicted.
        width: Of the transformer.
        depth: Its blocks.
        codec: Arguments of `PictureVQ`.
        rest: ``root`` and ``camera`` of the data, and more sizes and rates; see conf/study/claim_frames.yaml.
    """
    shared = {
        "image_size": image_size,
        "horizon": horizon,
        "width": width,
        "depth": depth,
        "codec": dict(codec),
        **rest,
    }

    def trial(part: str, method: str, size: int, seed: int, **settings: Any) -> Trial:
        return Trial(part, method, size, seed, {**shared, **settings})

    def learned(part: str, methods: Mapping[str, Mapping[str, Any]], size: int, seed: int) -> list[Trial]:
        return [trial(part, name, size, seed, loss=seeded(loss, seed)) for name, loss in methods.items()]

    few = seeds[:late_seeds]
    core: list[Trial] = []
    for seed in seeds:
        core += [trial(NO_LEARNING, rule, primary_size, seed, rule=rule) for rule in ("codes", "present")]
        core += learned(CORE, METHODS, primary_size, seed)
    for seed, size in product(few, sizes):
        core += learned(CORE, METHODS, size, seed) if size != primary_size else []
    sweeps = [t for seed in few for t in learned(ALPHA, _alphas(), primary_size, seed)]
    sweeps += [t for seed in few for t in learned(TAU, _taus(), primary_size, seed)]
    cells = (image_size // 4) ** 2
    return Claim(
        name="claim_frames",
        about=(
            "Trained with DIST2Loss, an autoregressive transformer over the codes of a vector-quantised image model "
            "draws better pictures than with one-hot cross-entropy, early in training above all."
        ),
        changed=(
            f"No ImageNet: pictures of {image_size} pixels from the wrist camera of a simulated arm that pushes a "
            f"cube; a VQ-VAE of ours ({codec['codes']} codes, {cells} a picture, learned once a seed, shared by all "
            f"methods), and a transformer of width {width} and depth {depth} that predicts the picture {horizon} steps "
            "later from the present one, the joints and the actions between.",
            "`frechet` is no FID: its features are those of a fixed network with random weights. Pictures are drawn at "
            "temperature 1; the other measures are of the most probable code each.",
            f"tau is found by entropy, {NATS:g} nats on average over codes, in the true and in the random metric. "
            "(What we know of the paper gives 9.7 for 16,384 codes, whose logarithm is 9.70: if that is the entropy in "
            "nats, its targets are nearly uniform, as at 4.8 nats in the part `tau`.)",
            "Every token is a code and has distances, so that the vocab baseline is cross-entropy itself, and is left "
            "out.",
            f"The verdict is taken early, at {primary_size} steps of the optimiser; how long, how wide and how fast "
            "was chosen with cross-entropy alone, on a seed that is not counted.",
        ),
        size_name="steps of training",
        primary_size=primary_size,
        measures=MEASURES,
        subjects=("dist2_paper", "dist2"),
        reference=REFERENCE,
        controls=CONTROLS,
        parts={
            CORE: "All methods. label_smoothing_mass moves as much mass off the true code as dist2_paper does.",
            ALPHA: ALPHA_ABOUT,
            TAU: "dist2_paper with targets of other entropies, and with the Euclidean distance, not squared.",
            NO_LEARNING: "What the codes allow at best (`codes`), and the present picture as prediction (`present`).",
        },
        trials=(*core, *sweeps),
        execute=try_frames,
        published=Published("LlamaGen-111M, 50 epochs, FID", 10.03, 9.41),
    )


def try_frames(trial: Trial, output: Path) -> dict[str, float]:
    """Do a trial."""
    return predict_frames(trial.settings, trial.size, trial.seed, output / CODECS)


def _alphas() -> dict[str, dict[str, Any]]:
    found = {f"alpha={alpha:g}": {**PAPER, "alpha": alpha} for alpha in (0.03, 0.3, 3.0)}
    return found | {"only": {**PAPER, "alpha": 1.0, "ce_weight": 0.0}}


def _taus() -> dict[str, dict[str, Any]]:
    found = {f"nats={nats:g}": {**PAPER, "tau": {**TAU_BY_ENTROPY, "nats": nats}} for nats in (0.5, 1.0, 3.0, 4.0, 4.8)}
    return found | {"not_squared": {**PAPER, "distance": LENGTHS}}
