"""Which head goes with which loss: all pairs on some tasks, then the best of them and the baselines with several seeds.

The two stages share neither training seeds nor initial states, so that what chance selected is measured anew.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from dist2_robot.studies.effort import Effort, Lessons
from dist2_robot.studies.job import Job
from dist2_robot.studies.method import DEFAULT, REGRESSION, Method, check_option, chosen_method
from dist2_robot.studies.selection import RULE, rank
from dist2_robot.studies.study import Row, Stage, Study

HEADS = ("free", "mixture", "smooth", "factored")
LOSSES = (
    *("cross_entropy", "label_smoothing", "dist2_paper", "dist2", "sord", "hl_gauss", "emd", "energy", "dist2_energy"),
    *("number_token_was", "number_token_mse", "raft", "reinforce", "ntil", "del"),
)
REGRESSION_LOSSES = ("l1", "mse")
DECODINGS = ("argmax", "mean", "median", "local_mean", "min_risk")
BASELINES = (
    Method("mixture", "dist2_energy"),  # the default
    *(Method("free", "cross_entropy"), Method("mixture", "cross_entropy"), Method("free", "dist2_paper")),
    *(Method("free", "label_smoothing"), Method(REGRESSION, "l1"), Method(REGRESSION, "mse")),
)
REFERENCES = (Method(REGRESSION, "l1"), Method("free", "cross_entropy"))
SCREEN, FINAL = "screen", "final"


def heads_and_losses(
    known: Mapping[str, Collection[str]],
    lessons: Lessons,
    *,
    heads: Sequence[str] | None,
    losses: Sequence[str] | None,
    also: Sequence[Mapping[str, Any]],
    decodings: Sequence[str] | None,
    multimodal: Sequence[str],
    screen: Effort,
    final: Effort,
    best: int,
) -> Study:
    """Make the study.

    Args:
        known: Group -> the options that dist2-train has.
        lessons: Tasks and demonstrations.
        heads: Options of ``head=``; None for all of `HEADS` that are known.
        losses: Options of ``loss=``; None for all of `LOSSES` that are known.
        also: Methods to try beside the pairs, as `chosen_method` takes them.
        decodings: None for `DECODINGS`.
        multimodal: Tasks with several right answers, on which ``sample`` is tried, too.
        screen: Effort of the first stage.
        final: Effort of the second.
        best: How many methods of the first go on to the second.

    Raises:
        InputError: A head or a loss that is named is not known.
    """
    pairs = [
        Method(head, loss)
        for head in _choose(heads, HEADS, known["head"], "head")
        for loss in _choose(losses, LOSSES, known["loss"], "loss")
    ]
    numbers = [Method(REGRESSION, loss) for loss in REGRESSION_LOSSES if loss in known["loss"]]
    methods = list(dict.fromkeys([*pairs, *numbers, *(chosen_method(entry, known) for entry in also)]))

    decodings = decodings or DECODINGS
    rules = {task: [*decodings, *(["sample"] if task in multimodal else [])] for task in lessons.tasks}
    options = {*known["head"], *known["policy"], *known["loss"]}
    baselines = [method for method in BASELINES if {method.head, method.loss} <= options]

    def screen_jobs(_: Sequence[Row]) -> list[Job]:
        return [
            lessons.job(SCREEN, screen, task, method, seed, rules[task], may_be_refused=method in pairs)
            for method in methods
            for seed in screen.seeds
            for task in lessons.tasks
        ]

    return Study(
        name="heads_and_losses",
        stages=(
            Stage(SCREEN, _about(screen), screen_jobs),
            Stage(FINAL, f"{_about(final)} {RULE}", partial(_final_jobs, lessons, final, best, baselines)),
        ),
        references=REFERENCES,
    )


def _final_jobs(
    lessons: Lessons, final: Effort, best: int, baselines: Sequence[Method], rows: Sequence[Row]
) -> list[Job]:
    """Return the jobs of the best methods of the screen and of the baselines, each with its own best decoding."""
    ranking = rank([row for row in rows if row["stage"] == SCREEN])
    rule = {candidate.method: candidate.decoding for candidate in ranking}
    chosen = dict.fromkeys([*(candidate.method for candidate in ranking[:best]), *baselines])
    return [
        lessons.job(FINAL, final, task, method, seed, [rule.get(method, DEFAULT)])
        for method in chosen
        for seed in final.seeds
        for task in lessons.tasks
    ]


def _choose(named: Sequence[str] | None, standard: Sequence[str], known: Collection[str], group: str) -> list[str]:
    """Return the named options of a group, or those of the standard ones that are known."""
    if named is None:
        return [option for option in standard if option in known]
    named = [named] if isinstance(named, str) else list(named)
    for option in named:
        check_option(option, known, group)
    return named


def _about(effort: Effort) -> str:
    seeds = f"{len(effort.seeds)} training seed{'s' if len(effort.seeds) > 1 else ''}"
    return f"{effort.steps} steps, {seeds}, {effort.episodes} episodes of each."
