"""How thoroughly a stage trains and evaluates, and on what."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.studies.job import Demonstrations, Job
from dist2_robot.studies.method import DEFAULT, Method


@dataclass(frozen=True)
class Effort:
    """Attributes:
    seeds: Of the trainings.
    steps: Of each training.
    episodes: Of each evaluation.
    max_steps: Time limit of an episode; None for the environment's own.
    evaluation_seed: Gives the initial states, each training seed its own: it is added.
    """

    seeds: Sequence[int]
    steps: int
    episodes: int
    max_steps: int | None
    evaluation_seed: int

    def __post_init__(self) -> None:
        if not self.seeds or not all(isinstance(seed, int) and seed >= 0 for seed in self.seeds):
            raise InputError(f"training seeds must be whole numbers from 0 on, at least one, got {self.seeds}")
        if self.steps < 1 or self.episodes < 1:
            raise InputError(f"steps and episodes must be at least 1, got {self.steps} and {self.episodes}")


@dataclass(frozen=True)
class Place:
    """Attributes: environment: Options of dist2-collect and dist2-train. recording: Of dist2-collect alone."""

    environment: tuple[str, ...]
    recording: tuple[str, ...] = ()


def places(tasks: Sequence[str] | Mapping[str, Mapping[str, Any]], environments: Collection[str]) -> dict[str, Place]:
    """Return what the tasks of a study's config stand for.

    Args:
        tasks: Names of environments or of Meta-World's tasks; or names of one's own, each with its ``environment`` and
            ``recording``, lists of options.
        environments: The options of ``env=``; a name among them is an environment of its own.

    Raises:
        InputError: A task has other entries.
    """
    if not isinstance(tasks, Mapping):
        return {
            task: Place((f"env={task}",) if task in environments else ("env=metaworld", f"task={task}"))
            for task in tasks
        }
    found = {}
    for name, entry in tasks.items():
        if not isinstance(entry, Mapping) or not {"environment"} <= set(entry) <= {"environment", "recording"}:
            raise InputError(
                f"study.tasks.{name} needs environment=[options] and may have recording=[options]: {entry}"
            )
        found[name] = Place(tuple(entry["environment"]), tuple(entry.get("recording", ())))
    return found


@dataclass(frozen=True)
class Lessons:
    """Attributes:
    tasks: Name -> where it is.
    demonstrations: To learn from.
    collected: To record; those not learned from measure the held-out action error.
    options: Of dist2-train, for all jobs.
    """

    tasks: Mapping[str, Place]
    demonstrations: int
    collected: int
    options: Sequence[str]

    def __post_init__(self) -> None:
        if not 0 < self.demonstrations <= self.collected:
            raise InputError(
                f"study.demonstrations={self.demonstrations} must lie in 1..study.collected={self.collected}"
            )
        if not self.tasks:
            raise InputError("study.tasks names no task: give e.g. study.tasks=[push-v3]")

    def job(
        self,
        stage: str,
        effort: Effort,
        task: str,
        method: Method,
        seed: int,
        decodings: Sequence[str],
        *,
        may_be_refused: bool = False,
    ) -> Job:
        """Return the job of one method, task and training seed. A policy without tokens has no decodings."""
        place = self.tasks[task]
        data = Demonstrations(task, (*place.environment, f"episodes={self.collected}", "seed=0", *place.recording))
        learning = (f"dataset.episodes={self.demonstrations}", "dataset.validation=0.0")
        return Job(
            stage=stage,
            task=task,
            method=method,
            seed=seed,
            data=data,
            options=(*place.environment, *learning, f"trainer.steps={effort.steps}", *self.options),
            decodings=tuple(decodings) if method.has_tokens else (DEFAULT,),
            episodes=effort.episodes,
            evaluation_seed=effort.evaluation_seed + seed,
            max_steps=effort.max_steps,
            may_be_refused=may_be_refused,
        )
