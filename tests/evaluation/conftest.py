"""Fixtures of the evaluation tests."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.evaluation import synthetic_runs


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a whole run folder, of which the name is told, and return it."""
    return partial(synthetic_runs.write_run, tmp_path)
