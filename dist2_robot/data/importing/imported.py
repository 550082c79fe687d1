"""What the user says of an import, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ImportOptions:
    """What the user says of recordings that do not tell it themselves.

    Attributes:
        format: One of the readers' names; ``auto`` tells by what is there.
        rate_hz: Frames a second.
        task: What was done, in words.
        robot_type: LeRobot's name of the robot.
        rename: Column of the source -> feature.
        join: Feature -> columns of the source that are put side by side in it.
        names: Feature -> names of its numbers.
        video: Whether pictures become videos, which lose a little; else PNGs, which lose nothing.
        strict: Whether an episode that cannot be taken is an error; else it is left out and told of.
    """

    format: str = "auto"
    rate_hz: float | None = None
    task: str | None = None
    robot_type: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    join: Mapping[str, Sequence[str]] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    video: bool = True
    strict: bool = False


@dataclass(frozen=True)
class ImportedFeature:
    """A feature as it was written: shape of a frame, names of its numbers, how it is stored, columns it is made of."""

    shape: tuple[int, ...]
    names: tuple[str, ...]
    stored: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Imported:
    """What came in.

    Attributes:
        format: Of the source.
        episodes: How many.
        frames: How many in all.
        rate_hz: Frames a second.
        features: By name.
        left_out: What was not taken, and why, a line each.
        assumed: What nobody told, a line each.
    """

    format: str
    episodes: int
    frames: int
    rate_hz: float
    features: Mapping[str, ImportedFeature]
    left_out: tuple[str, ...]
    assumed: tuple[str, ...]
