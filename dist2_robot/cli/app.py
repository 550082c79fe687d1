"""Turns a function of a config into a command with a readable --help, one-line errors and exit codes.

Exit codes: 0 done, 1 failed or found problems, 2 wrong input, 130 interrupted.
"""

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from dist2_robot.cli.config_dir import config_dir
from dist2_robot.cli.help import help_text
from dist2_robot.errors import InputError, did_you_mean

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
    wrong_input: Exception | None = None

    def call_task(cfg: DictConfig) -> None:
        nonlocal exit_code, wrong_input
        try:
            exit_code = task(_to_plain(cfg)) or 0
        except (InputError, OmegaConfBaseException) as error:  # kept from Hydra, which would print the command line
            wrong_input = error

    try:
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=config_name)(call_task)()
        if wrong_input:
            raise wrong_input
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted", file=sys.stderr)
        sys.exit(130)
    except (InputError, HydraException, OmegaConfBaseException) as error:
        if wants_traceback:
            raise
        print(f"{name}: {_one_line(error, config_name)}", file=sys.stderr)
        sys.exit(2)
    sys.exit(exit_code)


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
        key = str(error).split(":")[-1].strip()
        return f"'{key}' must be given, e.g. {key}=...; see --help"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        options = [str(o) for o in error.options or []]
        return f"there is no {group} '{option}'.{did_you_mean(option, options)} Known: {', '.join(options)}"
    for argument in sys.argv[1:]:
        key = argument.split("=")[0].lstrip("+~").split("@")[0]
        known = _known_keys(config_name)
        if "=" in argument and key not in known and not key.startswith("hydra"):
            return f"there is no option '{key}'.{did_you_mean(key, known)} See --help for all of them"
    return " ".join(str(error).split())


def _known_keys(config_name: str) -> list[str]:
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
        return _flatten(OmegaConf.to_container(hydra.compose(config_name), resolve=False))


def _flatten(node: Any, prefix: str = "") -> list[str]:
    keys: list[str] = []
    for key, value in node.items():
        keys.append(f"{prefix}{key}")
        if isinstance(value, dict):
            keys += _flatten(value, f"{prefix}{key}.")
    return keys
