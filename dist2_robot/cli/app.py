"""Turns a function of a config into a command with a readable --help, one-line errors and exit codes.

Exit codes: 0 done, 1 failed or found problems, 2 wrong input, 130 interrupted, 143 told to stop and saved.
"""

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import hydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from dist2_robot.cli.config_dir import config_dir
from dist2_robot.cli.defaults import check_kinds, defaults, known_keys, suggest
from dist2_robot.cli.help import help_text
from dist2_robot.errors import InputError, did_you_mean

HYDRA_FLAGS = ("--cfg", "-c", "--multirun", "-m", "--hydra-help", "--info", "--package", "-p", "--resolve", "--version")

Task = Callable[[dict[str, Any]], int | None]


def run_command(name: str, config_name: str, about: str, task: Task) -> None:
    """Compose the config from the command line, give it to the task as plain values, and exit.

    Args:
        name: Of the command, e.g. ``dist2-train``.
        config_name: Its YAML file in ``conf``, without the ending.
        about: What `--help` says first.
        task: Gets the resolved config as nested dicts; returns an exit code or None for 0.
    """
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(help_text(name, config_name, about))
        sys.exit(0)
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises its errors, and we say them in one line
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    exit_code = 0
    failure: Exception | None = None

    def call_task(cfg: DictConfig) -> None:
        nonlocal exit_code, failure
        try:
            config = _to_plain(cfg)
            check_kinds(config, defaults(config_name, arguments))
            exit_code = task(config) or 0
        except (InputError, OmegaConfBaseException, OSError) as error:  # kept from Hydra: it would add lines of its own
            failure = error

    try:
        _refuse_flags(arguments, config_name)
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=config_name)(call_task)()
        if failure:
            raise failure
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted", file=sys.stderr)
        sys.exit(130)
    except (InputError, HydraException, OmegaConfBaseException) as error:
        if wants_traceback:
            raise
        print(f"{name}: {_one_line(error, config_name)}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # a full disk, a folder that may not be written
        if wants_traceback:
            raise
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(exit_code)


def _refuse_flags(arguments: list[str], config_name: str) -> None:
    """Raise InputError for a flag that Hydra lacks: it would print a page about its own."""
    for argument in arguments:
        flag, _, value = argument.partition("=")
        if flag.startswith("-") and flag not in HYDRA_FLAGS:
            key = flag.lstrip("-")
            near = suggest(key, defaults(config_name, arguments))
            raise InputError(f"there is no flag '{flag}': options are {key}={value or '...'}.{near} See --help")


def _to_plain(cfg: DictConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    config = {str(key): value for key, value in plain.items()}
    _refuse_targets(config)
    return config


def _refuse_targets(node: Any) -> None:
    """Raise InputError for Hydra's key of importable paths: names come from our registry, code never from a config."""
    if isinstance(node, dict):
        for key, value in node.items():
            if str(key) == "_" + "target_":
                raise InputError(f"a config must not name code to import ({key}={value!r}): use a registered name")
            _refuse_targets(value)
    elif isinstance(node, list):
        for value in node:
            _refuse_targets(value)


def _one_line(error: Exception, config_name: str) -> str:
    """Say what is wrong with the command line, with the nearest right word."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MissingMandatoryValue):
        key = error.full_key
        return f"'{key}' must be given, e.g. {key}=...; see --help"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        options = [str(o) for o in error.options or []]
        return f"there is no {group} '{option}'.{did_you_mean(option, options)} Known: {', '.join(options)}"
    standard = defaults(config_name, sys.argv[1:])
    for argument in sys.argv[1:]:
        key = argument.split("=")[0].lstrip("+~").split("@")[0]
        if "=" in argument and key not in known_keys(standard) and not key.startswith("hydra"):
            return f"there is no option '{key}'.{suggest(key, standard)} See --help for all of them"
    return " ".join(str(error).split())
