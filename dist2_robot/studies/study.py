"""A study: stages of jobs, the later made from what the earlier found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dist2_robot.studies.job import Job
from dist2_robot.studies.method import Method

# What one evaluation found, as plain values; see `results.rows_of`.
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Stage:
    """Attributes:
    name: A folder name.
    about: One line for tables.
    jobs: Makes the jobs from the rows of all stages before, and from nothing else.
    """

    name: str
    about: str
    jobs: Callable[[Sequence[Row]], list[Job]]


@dataclass(frozen=True)
class Study:
    """Attributes:
    name: What `dist2-study` calls it.
    stages: In their order. Tables of a stage show every decoding; those of a stage with a successor only the best.
    references: Methods that the others of the last stage are compared with, paired.
    subjects: The methods that are compared with them; empty for all.
    """

    name: str
    stages: tuple[Stage, ...]
    references: tuple[Method, ...]
    subjects: tuple[Method, ...] = ()
