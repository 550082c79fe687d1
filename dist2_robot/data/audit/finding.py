"""What is wrong with a dataset, and where."""

from dataclasses import dataclass
from typing import Literal

# An error spoils a training, a warning may, a note is good to know.
Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: How bad it is.
        check: What was looked for, e.g. ``not finite``.
        message: What was found, in one line.
        file: Where, as a path inside the dataset.
        episode: In which episode, if in one.
        frame: At which of its frames, the first if there are several.
        count: At how many places alike.
        episodes: All episodes that are concerned; empty where it is not about single ones.
        feature: The camera that it is about, if about one.
    """

    severity: Severity
    check: str
    message: str
    file: str
    episode: int | None = None
    frame: int | None = None
    count: int = 1
    episodes: tuple[int, ...] = ()
    feature: str | None = None

    @property
    def place(self) -> str:
        """Where it is, in words."""
        parts = [self.file]
        if self.episode is not None:
            parts.append(f"episode {self.episode}")
        if self.frame is not None:
            parts.append(f"frame {self.frame}")
        return ", ".join(parts)
