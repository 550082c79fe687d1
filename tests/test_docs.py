"""The docs name every option there is."""

from pathlib import Path

import pytest

from dist2_robot.config_dir import config_dir
from dist2_robot.policies.decoding import RULES

METHODS = (Path(__file__).parents[1] / "docs" / "methods.md").read_text(encoding="utf-8")
GROUPS = ("tokenizer", "distance", "temperature", "loss", "head", "vision", "instruction")
OPTIONS = [path.stem for group in GROUPS for path in sorted((config_dir() / group).glob("*.yaml"))]


@pytest.mark.parametrize("name", [*OPTIONS, *RULES])
def test_every_option_has_a_line_in_a_table(name):
    assert any(line.startswith("|") and f"`{name}`" in line for line in METHODS.splitlines())
