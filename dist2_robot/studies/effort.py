"""How thoroughly a stage trains and evaluates, and on what."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dist2_robot.errors import InputError
from dist2_robot.studies.job import Demonstrations, Job
from dist2_robot.studies.method import DEFAULT, REGRESSION, Method


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
class Lessons:
    """Attributes:
    tasks: Environments of ours, or tasks of Meta-World.
    environments: The options of ``env=``; a task among them is an environment of its own.
    demonstrations: To learn from.
    collected: To record; those not learned from measure the held-out action error.
    options: Of dist2-train, for all jobs.
    """

    tasks: Sequence[str]
    environments: Collection[str]
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
        environment = (f"env={task}",) if task in self.environments else ("env=metaworld", f"task={task}")
        data = Demonstrations(task, (*environment, f"episodes={self.collected}", "seed=0"))
        learning = (f"dataset.episodes={self.demonstrations}", "dataset.validation=0.0")
        return Job(
            stage=stage,
            task=task,
            method=method,
            seed=seed,
            data=data,
            options=(*environment, *learning, f"trainer.steps={effort.steps}", *self.options),
            decodings=(DEFAULT,) if method.head == REGRESSION else tuple(decodings),
            episodes=effort.episodes,
            evaluation_seed=effort.evaluation_seed + seed,
            max_steps=effort.max_steps,
            may_be_refused=may_be_refused,
        )
