"""The fake environment of `site`, installed: spawned workers inherit the path and find its entry point."""

from pathlib import Path

import pytest

from dist2_robot.rollouts.environment import EnvironmentSpec


@pytest.fixture
def walk(monkeypatch):
    """Return a function from constructor arguments to the spec of a walk."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "site")
    return lambda **kwargs: EnvironmentSpec("fake/Walk-v0", kwargs)
