"""The options of `dist2-train` for those who come from LeRobot: the same files, chosen by name."""

from collections.abc import Mapping
from typing import Any

import yaml

from dist2_robot.config_dir import config_dir
from dist2_robot.errors import InputError, did_you_mean

GROUPS = ("policy", "size", "tokenizer", "head", "loss", "distance", "temperature", "vision", "instruction")


def choose(names: Mapping[str, str], options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the files of ``conf`` say under these names, with some options changed.

    Args:
        names: One of each of `GROUPS`.
        options: Group -> option -> value, in place of the default.

    Raises:
        InputError: No such group, file or option.
    """
    unknown = [group for group in options if group not in GROUPS]
    if unknown:
        raise InputError(f"there are no options of '{unknown[0]}'.{did_you_mean(unknown[0], GROUPS)} {_list(GROUPS)}")
    chosen = {group: _changed(group, names[group], options.get(group) or {}) for group in GROUPS}
    return {group: _resolved(content, chosen) for group, content in chosen.items()}


def _changed(group: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    folder = config_dir() / group
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise InputError(f"there is no {group} '{name}'.{did_you_mean(name, known)} {_list(known)}")
    content = yaml.safe_load((folder / f"{name}.yaml").read_text())
    for option, value in options.items():
        if option not in content:
            hint = did_you_mean(option, content)
            raise InputError(f"{group} '{name}' has no option '{option}'.{hint} {_list(list(content))}")
        content[option] = value
    if missing := [option for option, value in content.items() if value == "???"]:
        example = f'{{"{group}": {{"{missing[0]}": ...}}}}'
        raise InputError(f"{group} '{name}' needs its option '{missing[0]}': --policy.options='{example}'")
    return content


def _resolved(value: Any, chosen: Mapping[str, Any]) -> Any:
    """Return a value with what ``${group}`` and ``${group.option}`` stand for in place of them."""
    if isinstance(value, dict):
        return {key: _resolved(inner, chosen) for key, inner in value.items()}
    if not isinstance(value, str) or not value.startswith("${"):
        return value
    group, _, option = value.removeprefix("${").removesuffix("}").partition(".")
    return _resolved(chosen[group][option] if option else chosen[group], chosen)


def _list(names: Any) -> str:
    return f"Known: {', '.join(names)}"
