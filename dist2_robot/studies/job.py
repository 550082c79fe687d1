"""What a study asks to be done: demonstrations to record, and policies to train and evaluate."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from dist2_robot.studies.method import Method

# Does what a unit asks for, in its study's folder; returns plain values for its record. Must be importable by name.
Execute = Callable[[Any, Path], dict[str, Any]]


class Unit(Protocol):
    """One piece of work, done as a whole or done again.

    Its name tells it from all others and is the folder of its records, inside the folder of the study.
    """

    @property
    def name(self) -> str: ...

    @property
    def may_be_refused(self) -> bool: ...

    def describe(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Demonstrations:
    """Episodes of a scripted expert.

    Attributes:
        task: Their name.
        options: Of dist2-collect, but for ``dataset.root``.
    """

    task: str
    options: tuple[str, ...]

    may_be_refused = False

    @property
    def name(self) -> str:
        return f"collect/{self.task}"

    @property
    def folder(self) -> str:
        """Where the dataset lies, inside the folder of the study."""
        return f"data/{self.task}"

    def describe(self) -> dict[str, Any]:
        """Return plain values that tell whether it is the same work."""
        return {"task": self.task, "options": list(self.options)}


@dataclass(frozen=True)
class Job:
    """One policy: trained, then evaluated by each of some decodings.

    Attributes:
        stage: Of the study.
        task: What it is trained for.
        method: How.
        seed: Of the training.
        data: What it learns from.
        options: Of dist2-train, but for those of the method, ``seed``, ``dataset.root`` and ``output``.
        decodings: Rules; ``default`` for the one that was trained with.
        episodes: Of each evaluation.
        evaluation_seed: Gives the initial states.
        n_action_steps: Actions of a chunk that are executed.
        max_steps: Time limit; None for the environment's own.
        demonstrations: To learn from, where a study varies their number; None where it does not.
        may_be_refused: Whether it is a cell of a grid, in which not all goes together, so that a refusal is no failure.
    """

    stage: str
    task: str
    method: Method
    seed: int
    data: Demonstrations
    options: tuple[str, ...]
    decodings: tuple[str, ...]
    episodes: int
    evaluation_seed: int
    n_action_steps: int = 4
    max_steps: int | None = None
    may_be_refused: bool = False
    demonstrations: int | None = None

    @property
    def name(self) -> str:
        lesson = self.task if self.demonstrations is None else f"{self.task}-{self.demonstrations}"
        return f"{self.stage}/{lesson}/{self.method.name}-seed{self.seed}"

    @property
    def train_options(self) -> tuple[str, ...]:
        """All options of dist2-train but for ``dataset.root`` and ``output``; those of the method come last."""
        return (*self.options, f"seed={self.seed}", *self.method.options)

    def describe(self) -> dict[str, Any]:
        """Return plain values that tell whether it is the same work."""
        values = {**asdict(self), "options": list(self.options), "decodings": list(self.decodings)}
        if self.demonstrations is None:  # as it was before studies varied it
            del values["demonstrations"]
        return values | {"data": self.data.describe()}
