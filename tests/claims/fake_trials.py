"""A claim whose trials are over at once; spawned workers import its execution by name."""

from collections.abc import Sequence
from pathlib import Path

from dist2_robot.claims.claim import CORE, Claim, Measure, Published
from dist2_robot.claims.trial import Trial

ERROR = {"one_hot": 1.0, "dist2": 0.8, "smoothed": 0.9, "breaks": 0.0}
WOBBLE = (0.00, 0.02, -0.02, 0.01, -0.01)  # of the difference between methods, seed by seed


def try_it(trial: Trial, output: Path) -> dict[str, float]:
    if trial.method == "breaks":
        raise RuntimeError("the floor is gone")
    with (output / "done.txt").open("a") as file:
        file.write(trial.name + "\n")
    better = 1.0 - ERROR[trial.method]
    return {"error": 1.0 + 0.1 * trial.seed - better * (1.0 + WOBBLE[trial.seed]) / trial.size}


def make_claim(
    *methods: str, sizes: Sequence[int] = (1, 10), seeds: Sequence[int] = range(5), published: bool = True
) -> Claim:
    return Claim(
        name="claim_fake",
        about="Less is better.",
        changed=("All of it.",),
        size_name="things",
        primary_size=sizes[0],
        measures=(Measure("error", "How wrong it is (units)."),),
        subjects=("dist2",),
        reference="one_hot",
        controls=("smoothed",),
        parts={CORE: "All methods."},
        trials=tuple(
            Trial(CORE, method, size, seed, {"loss": method})
            for seed in seeds
            for size in sizes
            for method in methods or ("one_hot", "dist2", "smoothed")
        ),
        execute=try_it,
        published=Published("somewhere", 1.0, 0.8) if published else None,
    )
