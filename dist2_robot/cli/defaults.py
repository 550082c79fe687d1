"""The options of a command as its YAML files give them, to tell a misspelt name or a value of the wrong kind."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from dist2_robot.cli.config_dir import config_dir
from dist2_robot.errors import InputError, did_you_mean


def defaults(config_name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Return options and defaults of a command, with the choice of groups that its arguments make."""
    own = yaml.safe_load((config_dir() / f"{config_name}.yaml").read_text())
    choice = dict(next(iter(entry.items())) for entry in own.pop("defaults") if isinstance(entry, dict))
    del choice["hydra"]
    for argument in arguments:
        group, _, option = argument.partition("=")
        if group in choice and (config_dir() / group / f"{option}.yaml").exists():
            choice[group] = option
    files = {group: config_dir() / group / f"{option}.yaml" for group, option in choice.items()}
    return _resolved(own | {group: yaml.safe_load(path.read_text()) for group, path in files.items()})


def _resolved(standard: dict[str, Any]) -> dict[str, Any]:
    """Return options with what ``${group.key}`` stands for in place of it."""

    def value_of(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: value_of(inner) for key, inner in value.items()}
        group, dot, key = str(value).removeprefix("${").removesuffix("}").partition(".")
        is_reference = (
            isinstance(value, str) and value.startswith("${") and dot and isinstance(standard.get(group), dict)
        )
        return standard[group].get(key, value) if is_reference else value

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


def check_kinds(config: Mapping[str, Any], standard: Mapping[str, Any], prefix: str = "") -> None:
    """Raise InputError where a value is not of the kind of its default; null and interpolations tell no kind."""
    for key, default in standard.items():
        if key not in config or default is None or (isinstance(default, str) and default.startswith(("???", "${"))):
            continue
        value = config[key]
        if isinstance(default, dict) and isinstance(value, dict):
            check_kinds(value, default, f"{prefix}{key}.")
        elif _kind(value) != _kind(default) and (_kind(default), _kind(value)) != ("a number", "a whole number"):
            raise InputError(f"{prefix}{key} must be {_kind(default)}, got {value!r}")
    if prefix == "" and isinstance(config.get("seed"), int) and config["seed"] < 0:
        raise InputError(f"seed must be 0 or more, got {config['seed']}")


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a [list]"}
    return kinds.get(type(value), "a group of options" if isinstance(value, dict) else "something")
