"""Recordings of other people that lie beside a checkout, where they do; tests that need them are skipped elsewhere."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared_data(name: str) -> Path:
    """Return a file or a folder of them; skip the test where it is not there."""
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"there is no {name} beside the checkout")
    return path
