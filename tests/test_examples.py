"""The examples in the docs run, and both losses learn something."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "examples"
PROGRAMS = sorted(path.name for path in FOLDER.glob("*.py"))
# What a model that learned nothing would print, or better: see each program's data.
WITHOUT_LEARNING = {"openvla_tokens.py": 30.0, "digit_tokens.py": 150.0, "image_tokens.py": 0.3}


def test_every_example_is_known_here_and_told_of():
    assert set(PROGRAMS) == set(WITHOUT_LEARNING)
    assert all(f"`{name}`" in (FOLDER / "README.md").read_text() for name in PROGRAMS)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_runs_and_learns(name):
    pytest.importorskip("transformers")
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, FOLDER / name], capture_output=True, text=True, env=environment, timeout=600, check=True
    )
    errors = dict(re.findall(r"^(cross-entropy|DIST2Loss): .*?([\d.]+)(?: bins)?$", result.stdout, re.MULTILINE))
    assert set(errors) == {"cross-entropy", "DIST2Loss"}
    assert all(float(error) < WITHOUT_LEARNING[name] for error in errors.values())
