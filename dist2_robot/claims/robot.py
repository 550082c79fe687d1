"""The claim that DIST2Loss helps where a robot's commands are the tokens: from few demonstrations, after few steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from filelock import FileLock

from dist2_robot.claims.claim import CORE, Claim, Measure
from dist2_robot.claims.methods import ALPHA, ALPHA_ABOUT, CONTROLS, REFERENCE, TAU
from dist2_robot.claims.trial import Trial
from dist2_robot.studies.effort import Effort, Lessons, places
from dist2_robot.studies.job import Demonstrations, Execute, Job
from dist2_robot.studies.method import DEFAULT, Method
from dist2_robot.studies.record import read_record, write_record

ONE_HOT = Method("free", "cross_entropy")
RANDOM = "loss.distance.name=random +loss.distance.of=squared +loss.distance.seed="
METHODS = {
    REFERENCE: ONE_HOT,
    "dist2_paper": replace(ONE_HOT, loss="dist2_paper"),
    "label_smoothing": replace(ONE_HOT, loss="label_smoothing"),
    "label_smoothing_mass": replace(ONE_HOT, loss="label_smoothing_mass"),
    "random": replace(ONE_HOT, loss="dist2_paper", variant=RANDOM),
    "number_token_was": replace(ONE_HOT, loss="number_token_was"),
    "default": Method(),
    "regression_l1": Method("regression", "l1"),
}
SWEPT = {
    ALPHA: {f"alpha={alpha:g}": f"loss.alpha={alpha:g}" for alpha in (0.3, 1.0, 3.0)}
    | {"only": "loss.alpha=1 loss.ce_weight=0"},
    TAU: {f"tau={tau:g}": f"loss.tau={tau:g}" for tau in (0.25, 4.0, 16.0)},
}
SHORTENED = (REFERENCE, "dist2_paper", "label_smoothing_mass", "default", "regression_l1")
MOST_PROBABLE = "argmax"
SUBJECTS = ("dist2_paper", "default")


def claim_robot(
    *,
    record: Callable[[Demonstrations, Path], dict[str, Any]],
    train_and_evaluate: Execute,
    seeds: Sequence[int],
    sizes: Sequence[int],
    primary_size: int,
    steps: int,
    fewer_steps: Sequence[int],
    tasks: Mapping[str, Mapping[str, Any]],
    **effort: Any,
) -> Claim:
    """Make the claim.

    Args:
        record: Does `Demonstrations`.
        train_and_evaluate: Does a `Job`.
        seeds: Of demonstrations, weights, order and initial states.
        sizes: Demonstrations of each task to learn from.
        primary_size: Where the verdict is taken, and fewer steps are tried.
        steps: Of a training.
        fewer_steps: Of other trainings, each as a whole, its learning rate brought to zero at their end.
        tasks: Name -> as of `places`; success is the mean over them.
        effort: ``collected``, ``learning_rate``, ``episodes``, ``max_steps``; see conf/study/claim_robot.yaml.
    """
    shorter = {f"steps={number}": number for number in fewer_steps}
    each = [Measure(f"success_{task}", f"Success on {task}.", is_error=False) for task in tasks]
    return Claim(
        name="claim_robot",
        about=(
            "Trained with DIST2Loss, a robot's policy over tokens of its commands succeeds more often than with "
            "one-hot cross-entropy, from few demonstrations and after few steps."
        ),
        changed=(
            "Not in the paper, whose robot writes places in digits: here a token is one number of a command (as of "
            "OpenVLA and RT-2), and episodes are played in simulation.",
            f"Means over {len(tasks)} tasks, a policy for each: {', '.join(tasks)}; {effort['episodes']} episodes each "
            f"for each seed, of {effort['max_steps']} steps at most, from states that are the same for all methods.",
            f"Published losses have free logits and the most probable token; `default` is dist2-train's own head, loss "
            f"and decoding. All learn {steps} steps of 64 at a rate of {effort['learning_rate']:g}, the best of three "
            "for one-hot tokens in the benchmark against LeRobot's policies.",
            "All tokens there are have distances, so that the baseline vocab is cross_entropy, and is left out.",
        ),
        size_name="demonstrations",
        primary_size=primary_size,
        measures=(
            Measure("success", "Share of episodes with success at any step, mean of the tasks.", is_error=False),
            Measure("action_error", "Mean error of actions of held-out demonstrations, in tolerances."),
            *each,
        ),
        subjects=SUBJECTS,
        reference=REFERENCE,
        controls=CONTROLS,
        parts={CORE: f"All methods, {steps} steps."}
        | {part: f"Trained for {number} steps in all." for part, number in shorter.items()}
        | {
            ALPHA: ALPHA_ABOUT,
            TAU: "dist2_paper with other temperatures, squared bins.",
        },
        trials=_trials({"tasks": dict(tasks), **effort}, seeds, sizes, primary_size, steps, shorter),
        execute=partial(try_robot, record=record, train_and_evaluate=train_and_evaluate),
    )


def _trials(
    shared: Mapping[str, Any],
    seeds: Sequence[int],
    sizes: Sequence[int],
    primary_size: int,
    steps: int,
    shorter: Mapping[str, int],
) -> tuple[Trial, ...]:
    """Return all methods at all sizes, then some with fewer steps, and then the sweeps."""

    def trial(part: str, name: str, method: Method, size: int, seed: int, number: int) -> Trial:
        variant = f"{RANDOM}{seed}" if method.variant == RANDOM else method.variant
        chosen = {**vars(method), "variant": variant}
        return Trial(part, name, size, seed, {**shared, "method": chosen, "steps": number})

    core = [
        trial(CORE, name, method, size, seed, steps)
        for seed, size, (name, method) in product(seeds, sizes, METHODS.items())
    ]
    curve = [
        trial(part, name, METHODS[name], primary_size, seed, number)
        for seed, (part, number), name in product(seeds, shorter.items(), SHORTENED)
    ]
    sweeps = [
        trial(part, name, replace(METHODS[SUBJECTS[0]], variant=variant), primary_size, seed, steps)
        for seed, (part, variants) in product(seeds, SWEPT.items())
        for name, variant in variants.items()
    ]
    return (*core, *curve, *sweeps)


def try_robot(
    trial: Trial,
    output: Path,
    *,
    record: Callable[[Demonstrations, Path], dict[str, Any]],
    train_and_evaluate: Execute,
) -> dict[str, float]:
    """Do a trial."""
    found: dict[str, float] = {}
    errors = []
    for task in trial.settings["tasks"]:
        job = job_of(trial, task)
        _record_once(job.data, output, record)
        evaluation = train_and_evaluate(job, output)["evaluations"][0]
        found[f"success_{task}"] = evaluation["success_rate"]
        errors.append(evaluation["action_error"])
    return {"success": fmean(found.values()), "action_error": fmean(errors), **found}


def job_of(trial: Trial, task: str) -> Job:
    """Return what is trained and evaluated for one task of a trial."""
    settings, method = trial.settings, Method(**trial.settings["method"])
    effort = Effort([trial.seed], settings["steps"], settings["episodes"], settings["max_steps"], evaluation_seed=6000)
    lessons = Lessons(
        places(settings["tasks"], ()),
        demonstrations=trial.size,
        collected=settings["collected"],
        options=[f"trainer.learning_rate={settings['learning_rate']}"],
    )
    rule = MOST_PROBABLE if method.head == ONE_HOT.head else DEFAULT
    job = lessons.job(trial.part, effort, task, method, trial.seed, [rule])
    own = tuple(f"seed={trial.seed}" if option == "seed=0" else option for option in job.data.options)
    data = Demonstrations(f"{task}-seed{trial.seed}", own)
    return replace(job, stage=f"policies/{trial.part}", data=data, demonstrations=trial.size)


def _record_once(data: Demonstrations, output: Path, record: Callable[[Demonstrations, Path], dict[str, Any]]) -> None:
    """Record demonstrations that are not there yet, while no other worker does."""
    (output / data.name).mkdir(parents=True, exist_ok=True)
    with FileLock(output / data.name / "lock"):
        if read_record(output, data) is None:
            write_record(output, data, record(data, output))
