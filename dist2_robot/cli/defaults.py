"""The options of a command as its YAML files give them, to tell a misspelt name."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from dist2_robot.config_dir import config_dir
from dist2_robot.errors import did_you_mean


def defaults(config_name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Return options and defaults of a command, with the choice of groups that its arguments make."""
    own = _read(config_name)
    choice: dict[str, str | None] = _groups(own.pop("defaults"))
    del choice["hydra"]
    chosen = {group: option for group, _, option in (argument.partition("=") for argument in arguments)}
    preset = chosen.get("experiment", "")
    if "experiment" in choice and _is_there(f"experiment/{preset}"):
        chosen = _groups(_read(f"experiment/{preset}").get("defaults", [])) | chosen
    policy = chosen.get("policy", "")
    if "policy" in choice and _is_there(f"policy/{policy}"):  # which may choose the loss that it trains on
        chosen = _groups(_read(f"policy/{policy}").get("defaults", [])) | chosen
    files = {group: own_option for group, own_option in choice.items() if own_option is not None}
    for group, option in chosen.items():
        options = option.strip("[]").split(",")  # a group may take several, whose settings add up
        if group in choice and all(_is_there(f"{group}/{one.strip()}") for one in options):
            files[group] = option
    own |= dict.fromkeys(choice)
    for group, option in files.items():
        if group != "experiment":  # its settings are those of other groups
            own[group] = {}
            for one in option.strip("[]").split(","):
                own[group] |= _without_defaults(_read(f"{group}/{one.strip()}"))
    return _resolved(own)


def _read(name: str) -> dict[str, Any]:
    return yaml.safe_load((config_dir() / f"{name}.yaml").read_text())


def _without_defaults(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != "defaults"}


def _is_there(name: str) -> bool:
    return (config_dir() / f"{name}.yaml").exists()


def _groups(entries: Sequence[Any]) -> dict[str, Any]:
    """Return what a list of defaults chooses: group -> option."""
    chosen = dict(next(iter(entry.items())) for entry in entries if isinstance(entry, dict))
    names = {group: group.removeprefix("override ").lstrip("/").partition("@")[0] for group in chosen}
    return {names[group]: option for group, option in chosen.items()}


def _resolved(standard: dict[str, Any]) -> dict[str, Any]:
    """Return options with what ``${group.key}`` stands for in place of it."""

    def value_of(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: value_of(inner) for key, inner in value.items()}
        if not isinstance(value, str) or not value.startswith("${"):
            return value
        group, _, key = value.removeprefix("${").removesuffix("}").partition(".")
        options = standard.get(group)
        return options.get(key, value) if isinstance(options, dict) else value

    return {name: value_of(value) for name, value in standard.items()}


def known_keys(node: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return all names of options, those inside groups with dots."""
    keys: list[str] = []
    for key, value in node.items():
        keys.append(f"{prefix}{key}")
        if isinstance(value, dict):
            keys += known_keys(value, f"{prefix}{key}.")
    return keys


def suggest(key: str, standard: Mapping[str, Any]) -> str:
    """Return ``" Did you mean 'trainer.steps'?"`` for ``steps`` or ``trainer.step``; empty if none is near."""
    known = known_keys(standard)
    inside = [name for name in known if name.endswith(f".{key}")]
    return f" Did you mean '{inside[0]}'?" if inside else did_you_mean(key, known)
