"""The recordings of these tests."""

from tests.data.recordings import reach

__all__ = ["reach"]
