"""What --help prints: the config file of the command, whose comments are its documentation, and the choices."""

from collections.abc import Sequence

import yaml

from dist2_robot.config_dir import config_dir


def help_text(name: str, config_name: str, about: str, arguments: Sequence[str] = ()) -> str:
    """Return the help page of a command.

    Args:
        name: Of the command.
        config_name: Its YAML file in ``conf``, without the ending.
        about: What comes first.
        arguments: Of the command line: settings are those of the options chosen here, ``study=claim_robot``.
    """
    chosen = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    text = (config_dir() / f"{config_name}.yaml").read_text()
    defaults = yaml.safe_load(text)["defaults"]
    own = text.split("\n\n", 1)[1].strip("\n")  # the list of defaults ends with an empty line
    lines = [
        about.strip(),
        "",
        f"Usage: {name} OPTION=VALUE ...",
        "",
        "Options and their defaults (??? must be given):",
        "",
    ]
    lines += [f"  {line}".rstrip() for line in own.splitlines()]
    groups = [next(iter(entry.items())) for entry in defaults if isinstance(entry, dict)]
    for group, default in groups:
        if group == "hydra":
            continue
        lines += ["", f"{group}=  ({'not set' if default is None else f'default {default}'})"]
        shown = chosen.get(group, default)
        for path in sorted((config_dir() / group).glob("*.yaml")):
            lines += _describe(path.stem, path.read_text(), with_settings=path.stem == shown, group=group)
    lines += ["", "An option inside a group is set as GROUP.OPTION=VALUE. --cfg job prints the whole config;"]
    lines += ["GROUP=CHOICE --help shows the options of another choice than the default;"]
    lines += ["--multirun (-m) runs every combination of comma-separated values; --hydra-help tells what Hydra adds."]
    return "\n".join(lines)


def _describe(option: str, text: str, *, with_settings: bool, group: str) -> list[str]:
    """Return the comment of an option, and its settings if they are wanted."""
    comments = [line[1:].strip() for line in text.splitlines() if line.startswith("#")]
    comment = next((line for line in comments if not line.startswith("@package")), "")  # which Hydra reads
    lines = [f"  {option:<16} {comment}".rstrip()]
    if with_settings:
        settings = [line for line in text.splitlines() if line and not line.startswith(("#", "name:"))]
        lines += [f"      {group}.{line}" if not line.startswith(" ") else f"      {line}" for line in settings]
    return lines
