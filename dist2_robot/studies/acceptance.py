"""Does the default hold with few demonstrations? Against regression and the usual tokens, on tasks it was not tuned on.

Methods and decodings are named before anything is measured; nothing is selected.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.studies.effort import Effort, Lessons
from dist2_robot.studies.job import Job
from dist2_robot.studies.method import DEFAULT, chosen_method
from dist2_robot.studies.study import Row, Stage, Study

FINAL = "final"


def few_demonstrations(
    known: Mapping[str, Collection[str]], lessons: Lessons, *, methods: Sequence[Mapping[str, Any]], effort: Effort
) -> Study:
    """Make the study; the first method is compared with each of the others.

    Args:
        known: Group -> the options that dist2-train has.
        lessons: Tasks and demonstrations.
        methods: ``head``, ``loss``, ``variant`` and ``decodings`` of each; what is missing is dist2-train's default.
        effort: Of all jobs.

    Raises:
        InputError: A method has an entry of another name, or there are fewer than two.
    """
    decodings = {chosen_method(entry, known): list(entry.get("decodings") or [DEFAULT]) for entry in methods}
    if len(decodings) < 2:
        raise InputError("study.methods must name at least two different methods: there is nothing to compare")
    subject, *references = decodings

    def jobs(_: Sequence[Row]) -> list[Job]:
        return [
            lessons.job(FINAL, effort, task, method, seed, decodings[method])
            for method in decodings
            for seed in effort.seeds
            for task in lessons.tasks
        ]

    about = f"{lessons.demonstrations} demonstrations, {effort.steps} steps, {effort.episodes} episodes of each seed."
    return Study("few_demonstrations", (Stage(FINAL, about, jobs),), tuple(references), (subject,))
