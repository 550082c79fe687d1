"""What is claimed, what measures it, and the trials that would show it."""

from collections.abc import Mapping
from dataclasses import dataclass

from dist2_robot.claims.trial import Trial
from dist2_robot.errors import InputError
from dist2_robot.studies.job import Execute

CORE = "core"  # the part in which methods are compared; all others are sweeps


@dataclass(frozen=True)
class Measure:
    """Attributes: name: Key of what a trial found. about: What it is, with its unit. is_error: Less is better."""

    name: str
    about: str
    is_error: bool = True


@dataclass(frozen=True)
class Published:
    """What the paper reports.

    Attributes:
        setting: Where, in words.
        reference: With one-hot cross-entropy.
        subject: With DIST2Loss.
    """

    setting: str
    reference: float
    subject: float

    @property
    def relative_change(self) -> float:
        """``(subject - reference) / |reference|``."""
        return (self.subject - self.reference) / abs(self.reference)


@dataclass(frozen=True)
class Claim:
    """Attributes:
    name: A folder name, ``claim_...``.
    about: What is claimed, in a sentence or two.
    changed: What differs from the paper, a sentence each.
    size_name: What `Trial.size` counts.
    primary_size: Where the verdict is taken, chosen beforehand.
    measures: The first decides.
    subjects: Methods that the claim is about; the first decides.
    reference: The method that they are to beat.
    controls: Methods that the first subject must beat too, or the gain is not that of the metric.
    parts: Name of each part -> what it is for.
    trials: The most important first.
    execute: Does a trial; returns a number for each measure that its part has. Must be importable by name.
    published: None where the paper gives no number.
    """

    name: str
    about: str
    changed: tuple[str, ...]
    size_name: str
    primary_size: int
    measures: tuple[Measure, ...]
    subjects: tuple[str, ...]
    reference: str
    controls: tuple[str, ...]
    parts: Mapping[str, str]
    trials: tuple[Trial, ...]
    execute: Execute
    published: Published | None = None

    def __post_init__(self) -> None:
        if len({trial.name for trial in self.trials}) != len(self.trials):
            raise InputError(f"{self.name}: two trials have the same part, method, size and seed")
        if unknown := {trial.part for trial in self.trials} - set(self.parts):
            raise InputError(f"{self.name}: parts that nothing is said of: {', '.join(sorted(unknown))}")
        if not self.measures or not self.subjects:
            raise InputError(f"{self.name}: a claim needs at least one measure and one subject")
