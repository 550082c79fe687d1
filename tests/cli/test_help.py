from importlib.metadata import entry_points

import pytest
import yaml

from dist2_robot.config_dir import config_dir

COMMANDS = sorted(entry.name for entry in entry_points(group="console_scripts") if entry.name.startswith("dist2-"))


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_tells_of_every_option_and_every_choice(command, name, flag):
    outcome = command(name, flag)
    assert outcome.code == 0
    assert outcome.err == ""
    config = yaml.safe_load((config_dir() / f"{name.removeprefix('dist2-')}.yaml").read_text())
    groups = [next(iter(entry)) for entry in config.pop("defaults") if isinstance(entry, dict)]
    for option in config:
        assert f"  {option}:" in outcome.out
    for group in set(groups) - {"hydra"}:
        assert f"{group}=" in outcome.out
        for path in (config_dir() / group).glob("*.yaml"):
            assert f"  {path.stem}" in outcome.out
    assert f"  {name} " in outcome.out  # an example to copy


def test_help_shows_the_options_of_what_is_chosen(command):
    outcome = command("dist2-study", "study=claim_robot", "--help")
    assert "study.fewer_steps: [250, 500]" in outcome.out
    assert "study.kind: heads_and_losses" not in outcome.out


def test_there_are_at_least_the_five_commands():
    assert {"dist2-collect", "dist2-train", "dist2-eval", "dist2-compare", "dist2-report"} <= set(COMMANDS)
