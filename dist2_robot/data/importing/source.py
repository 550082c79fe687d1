"""What a reader of other people's files gives: episodes, by name, each read when it is asked for. T frames."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

BLOCK_BYTES = 64 * 2**20  # of pictures that are read at a time


class LeftOutError(Exception):
    """An episode cannot be taken; the message says why. The others can."""


class Frames:
    """Pictures in a file that look like an array (T, height, width, 3) of uint8, and are read some at a time."""

    dtype = np.dtype(np.uint8)

    def __init__(self, shape: Sequence[int], read: Callable[[slice], np.ndarray]) -> None:
        """Take the shape, and what reads a slice of the frames."""
        self.shape, self._read = tuple(int(n) for n in shape), read
        self._block = max(1, BLOCK_BYTES // max(1, int(np.prod(self.shape[1:]))))
        self._start, self._pictures = -1, np.empty(0, np.uint8)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, t: int) -> np.ndarray:
        start = t - t % self._block
        if start != self._start:
            self._start, self._pictures = start, self._read(slice(start, min(len(self), start + self._block)))
        return self._pictures[t - start]

    def check(self) -> None:
        """Read all of them once, so that a damaged one raises its error now."""
        for t in range(0, len(self), self._block):
            self[t]


@dataclass(frozen=True)
class Video:
    """The pictures of an episode in a video file, which is copied as it is.

    Attributes:
        path: The file.
        start_s: When the episode begins in it.
        length: Frames that are shown for it; (height, width) of them in `size`.
        size: See there.
        statistics: LeRobot's statistics of them, where the source has them.
    """

    path: Path
    start_s: float
    length: int
    size: tuple[int, int]
    statistics: Mapping[str, np.ndarray] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length, *self.size, 3)

    def __len__(self) -> int:
        return self.length


Column = np.ndarray | Frames | Video


@dataclass(frozen=True)
class SourceEpisode:
    """One episode as it was recorded.

    Attributes:
        columns: The source's name of each -> (T, ...).
        task: What was done, in words, or one text a frame; None where the source does not tell.
    """

    columns: Mapping[str, Column]
    task: str | Sequence[str] | None = None


Layout = dict[str, list[str]]  # feature -> the source's columns that are put side by side in it


@dataclass(frozen=True)
class Source:
    """Recordings in some format.

    Attributes:
        format: Its name.
        episodes: The source's name of each -> what reads it; that may raise `LeftOutError`.
        layout: From the columns of an episode to the features that they become unless somebody says otherwise.
        rate_hz: Frames a second, where the source tells it.
        robot_type: LeRobot's name of the robot, where the source tells it.
        names: Column -> the names of its numbers, where the source tells them.
        png: Columns of pictures that stay PNGs, because they are.
        left_out: What is known not to be taken, and why, a line each.
        assumed: What the reader assumed, a line each.
    """

    format: str
    episodes: Mapping[str, Callable[[], SourceEpisode]]
    layout: Callable[[Mapping[str, Any]], Layout]
    rate_hz: float | None = None
    robot_type: str | None = None
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    png: frozenset[str] = frozenset()
    left_out: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
