"""The docs name every option there is, and every command that they show can be typed."""

import re
from pathlib import Path

import pytest
from hydra.core.override_parser.types import IntervalSweep

from dist2_robot.cli.arguments import SWEEP, hydra_arguments
from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.hydra_text import read
from dist2_robot.config_dir import config_dir
from dist2_robot.policies.decoding import RULES
from tests.guide_commands import ROOT, Command, commands

METHODS = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
GROUPS = ("tokenizer", "distance", "temperature", "loss", "head", "vision", "instruction")
OPTIONS = [path.stem for group in GROUPS for path in sorted((config_dir() / group).glob("*.yaml"))]
# What a fragment of a command leaves out.
REQUIRED = {
    "card": {"of": "run"},
    "collect": {"dataset.root": "data/new"},
    "compare": {"runs": "[runs/push]"},
    "eval": {"checkpoint": "run"},
    "export": {"checkpoint": "run", "output": "folder"},
    "import": {"source": "theirs", "dataset.root": "data/new"},
    "rate": {"checkpoint": "run", "dataset.root": "data/push"},
    "serve": {"checkpoint": "run"},
    "sweep": {"runs": "[runs/push]", "over": "decoding"},
    "validate": {"dataset.root": "data/push"},
}
SHOWN = commands()
OURS = [command for command in SHOWN if command.name and not {"--help", "--cfg"} & set(command.options)]


@pytest.mark.parametrize("name", [*OPTIONS, *RULES])
def test_every_option_has_a_line_in_a_table(name):
    assert any(line.startswith("|") and f"`{name}`" in line for line in METHODS.splitlines())


@pytest.mark.parametrize("command", OURS, ids=str)
def test_every_command_that_is_shown_can_be_typed(command):
    keys = [option.partition("=")[0] for option in command.options]
    assert len(set(keys)) == len(keys)  # else the shell made several words of one: braces without quotes
    for options in each_of_a_sweep(command):
        given = {option.partition("=")[0] for option in options}
        needed = [f"{key}={value}" for key, value in REQUIRED.get(command.name, {}).items() if key not in given]
        compose_config(command.name, [*options, *needed])


def each_of_a_sweep(command: Command) -> list[list[str]]:
    """Return the options of the first and of the last job; of all, if it is no sweep. Those of Hydra are left out."""
    options = [o for o in hydra_arguments(command.options, command.name) if not re.match(r"[+]*hydra[./]", o)]
    if not set(options) & set(SWEEP):
        return [[option for option in command.options if not re.match(r"[+]*hydra[./]", option)]]
    options = [option for option in options if option not in SWEEP]
    return [[one_of(option, which) for option in options] for which in (0, -1)]


def one_of(option: str, which: int) -> str:
    """Return an option with the first or the last of its values."""
    override = read(option)
    assert override is not None
    if not override.is_sweep_override():
        return option
    value = override.value()
    if isinstance(value, IntervalSweep):
        return f"{override.key_or_group}={(value.start, value.end)[which]}"
    return f"{override.key_or_group}={list(override.sweep_string_iterator())[which]}"


@pytest.mark.parametrize("command", [c for c in SHOWN if c.words[0] in ("make", "python")], ids=str)
def test_every_script_and_target_that_is_shown_is_there(command):
    if command.words[0] == "make":
        assert re.search(rf"^{command.words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    elif command.words[1].startswith("scripts/"):
        source = Path(ROOT / command.words[1]).read_text(encoding="utf-8")
        assert all(f'"{word}"' in source for word in command.words if word.startswith("--"))


def test_the_guides_show_commands_of_every_kind():
    assert {path.stem for path in config_dir().glob("*.yaml")} <= {command.name for command in OURS}
    assert len(OURS) > 150
