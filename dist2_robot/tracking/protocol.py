"""Where the numbers of a run go."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Protocol


class Tracker(Protocol):
    """A sink of records; each is plain values with at least ``kind`` and ``step``."""

    def log(self, record: Mapping[str, Any]) -> None:
        """Take one record, without blocking. Only the record of a run, JSONL, may raise; training needs no other."""
        ...

    def close(self) -> None:
        """Write out what is left."""
        ...


class Trackers:
    """Several sinks as one."""

    def __init__(self, *trackers: Tracker) -> None:
        self.trackers = trackers

    def log(self, record: Mapping[str, Any]) -> None:
        for tracker in self.trackers:
            tracker.log(record)

    def close(self) -> None:
        with ExitStack() as all_of_them:  # whatever one of them raises
            for tracker in self.trackers:
                all_of_them.callback(tracker.close)
