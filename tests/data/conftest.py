"""The recordings of these tests."""

from tests.data.recordings import reach, teleoperated

__all__ = ["reach", "teleoperated"]
