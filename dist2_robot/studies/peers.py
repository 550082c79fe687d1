"""Against other people's policies: success against demonstrations, everybody with the best of some learning rates.

The learning rates are chosen on one task and one seed, which the benchmark then leaves out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.studies.effort import Effort, Lessons
from dist2_robot.studies.job import Job
from dist2_robot.studies.method import DEFAULT, Method, chosen_method
from dist2_robot.studies.selection import candidates
from dist2_robot.studies.study import Row, Stage, Study

RATES, FINAL = "learning_rates", "final"
RATE = "trainer.learning_rate="


def peers(
    known: Mapping[str, Collection[str]],
    lessons: Lessons,
    *,
    numbers: Sequence[int],
    methods: Sequence[Mapping[str, Any]],
    learning_rates: Sequence[float],
    learning_rate_task: str,
    screen: Effort,
    final: Effort,
) -> Study:
    """Make the study; the first method is compared with each of the others.

    Args:
        known: Group -> the options that dist2-train has.
        lessons: Tasks, among them the one of the learning rates, and the demonstrations for those.
        numbers: Of demonstrations, each tried in the benchmark.
        methods: As of `few_demonstrations`, and ``tasks``: to do a method on some only, for it is slow.
        learning_rates: To choose from, for each method.
        learning_rate_task: On which, and not in the benchmark.
        screen: Effort of the choice.
        final: Effort of the benchmark.

    Raises:
        InputError: A method has an entry of another name, or a task that is not there, or there are fewer than two.
    """
    if learning_rate_task not in lessons.tasks:
        raise InputError(f"study.tasks must hold study.learning_rate_task={learning_rate_task}")
    tasks = [task for task in lessons.tasks if task != learning_rate_task]
    plan = {_method(entry, known): entry for entry in methods}
    if len(plan) < 2:
        raise InputError("study.methods must name at least two different methods: there is nothing to compare")
    if not tasks or not numbers or not learning_rates:
        raise InputError("study.tasks needs a task besides that of the learning rates; numbers, learning_rates one")
    places = {method: _tasks(entry, tasks) for method, entry in plan.items()}
    rules = {method: list(entry.get("decodings") or [DEFAULT]) for method, entry in plan.items()}

    def rate_jobs(_: Sequence[Row]) -> list[Job]:
        return [
            lessons.job(RATES, screen, learning_rate_task, _with_rate(method, rate), seed, rules[method])
            for method in plan
            for rate in learning_rates
            for seed in screen.seeds
        ]

    subject, *references = plan
    rates = ", ".join(f"{rate:g}" for rate in learning_rates)
    chosen = f"Learning rates of {rates}: the best on {learning_rate_task}, which is left out here."
    return Study(
        "peers",
        (
            Stage(RATES, f"{lessons.demonstrations} demonstrations. {_about(screen)}", rate_jobs),
            Stage(
                FINAL, f"{_about(final)} {chosen}", partial(_final_jobs, lessons, final, numbers, tasks, places, rules)
            ),
        ),
        tuple(references),
        (subject,),
    )


def _final_jobs(
    lessons: Lessons,
    final: Effort,
    numbers: Sequence[int],
    tasks: Sequence[str],
    places: Mapping[Method, Sequence[str]],
    rules: Mapping[Method, Sequence[str]],
    rows: Sequence[Row],
) -> list[Job]:
    """Return the jobs, all methods of a task before the next task, so that what is half done can be compared."""
    rates = best_rates([row for row in rows if row["stage"] == RATES])
    found = []
    for task in tasks:
        for number in numbers:
            for method in (method for method in places if method in rates and task in places[method]):
                taught = replace(
                    lessons, demonstrations=number, options=(*lessons.options, f"{RATE}{rates[method]}")
                )  # an option, not a variant: the method is called the same whatever its rate
                jobs = [taught.job(FINAL, final, task, method, seed, rules[method]) for seed in final.seeds]
                found += [replace(job, demonstrations=number) for job in jobs]
    return found


def best_rates(rows: Sequence[Row]) -> dict[Method, str]:
    """Return method without rate -> its best rate, by success, then by held-out action error."""
    best: dict[Method, str] = {}
    for candidate in sorted(candidates(rows), key=lambda each: each.merit):
        *others, rate = candidate.method.variant.split()
        best.setdefault(replace(candidate.method, variant=" ".join(others)), rate.removeprefix(RATE))
    return best


def _with_rate(method: Method, rate: float) -> Method:
    return replace(method, variant=f"{method.variant} {RATE}{rate:g}".strip())


def _method(entry: Mapping[str, Any], known: Mapping[str, Collection[str]]) -> Method:
    return chosen_method({key: value for key, value in entry.items() if key != "tasks"}, known)


def _tasks(entry: Mapping[str, Any], tasks: Sequence[str]) -> list[str]:
    wanted = list(entry.get("tasks") or tasks)
    return [task for task in tasks if task in wanted]


def _about(effort: Effort) -> str:
    seeds = f"{len(effort.seeds)} training seed{'s' if len(effort.seeds) > 1 else ''}"
    return f"{effort.steps} steps, {seeds}, {effort.episodes} episodes of each."
