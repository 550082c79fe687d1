"""Turns a function of a config into a command with a readable --help, one-line errors and exit codes.

Exit codes: 0 done, 1 failed or found problems, 2 wrong input, 130 interrupted, 143 told to stop and saved.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import redirect_stdout
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from dist2_robot.cli.defaults import check_kinds, defaults, known_keys, suggest
from dist2_robot.cli.help import help_text
from dist2_robot.cli.multirun import Objective, SweptJobError, do_job, in_sweep, with_own_folder
from dist2_robot.config_dir import config_dir
from dist2_robot.errors import InputError, did_you_mean
from dist2_robot.printable import PrintableStream, one_line, printable

HYDRA_FLAGS = ("--cfg", "-c", "--multirun", "-m", "--hydra-help", "--info", "--package", "-p", "--resolve", "--version")

_SWEEP = ("--multirun", "-m")
LOG_FORMAT = "%(levelname)s: %(message)s"

Task = Callable[[dict[str, Any]], int | None]


def run_command(name: str, config_name: str, about: str, task: Task, objective: Objective | None = None) -> None:
    """Compose the config from the command line, give it to the task as plain values, and exit.

    Args:
        name: Of the command, e.g. ``dist2-train``.
        config_name: Its YAML file in ``conf``, without the ending.
        about: What `--help` says first.
        task: Gets the resolved config as nested dicts; returns an exit code or None for 0.
        objective: Of a command whose jobs in a sweep have each a folder in ``output``: what a search makes small.
    """
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(help_text(name, config_name, about, arguments))
        sys.exit(0)
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises its errors, and we say them in one line
    start_logging()
    exit_code = 0
    failure: Exception | None = None

    def call_task(cfg: DictConfig) -> float | None:
        nonlocal exit_code, failure
        if in_sweep():  # perhaps in another process: this function is pickled, and what it assigns here is lost
            return _do_swept(cfg, name, config_name, arguments, task, objective)
        try:
            exit_code = task(_checked(cfg, config_name)) or 0
        except (InputError, OmegaConfBaseException, OSError) as error:  # kept from Hydra: it would add lines of its own
            failure = error
        return None

    try:
        _refuse_flags(arguments, config_name)
        if any(argument in _SWEEP for argument in arguments):
            signal.signal(signal.SIGTERM, _exit_at_once)
            options = [argument for argument in arguments if argument not in _SWEEP]
            sys.argv[1:] = [_SWEEP[0], *options]  # Hydra takes the flag before or after all options, not among them
        with redirect_stdout(PrintableStream(sys.stdout)):
            hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=config_name)(call_task)()
        if failure:
            raise failure
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted", file=sys.stderr)
        sys.exit(130)
    except SweptJobError as error:
        again = "; the same command with resume=auto does what is left" if objective else ""
        print(f"{name}: the sweep is incomplete: {one_line(error.message)}{again}", file=sys.stderr)
        sys.exit(error.code)
    except (InputError, HydraException, OmegaConfBaseException) as error:
        if wants_traceback:
            raise
        print(f"{name}: {_one_line(error, config_name, arguments)}", file=sys.stderr)
        sys.exit(2)
    except (OSError, BrokenExecutor) as error:  # a full disk, a folder that may not be written, a worker killed
        if wants_traceback:
            raise
        print(f"{name}: {_one_line(error, config_name, arguments)}", file=sys.stderr)
        sys.exit(1)
    sys.exit(exit_code)


def _do_swept(
    cfg: DictConfig, name: str, config_name: str, arguments: Sequence[str], task: Task, objective: Objective | None
) -> float | None:
    """Do the present job of a sweep."""
    start_logging()  # a process of its own has none yet
    config: dict[str, Any] = {}

    def do() -> int:
        nonlocal config
        config = _checked(cfg, config_name)
        config = with_own_folder(config, arguments) if objective else config
        return task(config) or 0

    return do_job(
        name,
        arguments,
        do,
        say=lambda error: _one_line(error, config_name, arguments),
        objective=(lambda: objective(config)) if objective else None,
    )


class _PrintableFormatter(logging.Formatter):
    """Warnings, too, may quote what is in a file."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def start_logging() -> None:
    """Print warnings to standard error, if nobody does yet."""
    handler = logging.StreamHandler()
    handler.setFormatter(_PrintableFormatter(LOG_FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _exit_at_once(number: int, _: object) -> None:
    """Leave by an exception, so that the launcher of a sweep ends its workers."""
    sys.exit(128 + number)


def _checked(cfg: DictConfig, config_name: str) -> dict[str, Any]:
    """Return the config as plain values, each of the kind of its default."""
    config = _to_plain(cfg)
    check_kinds(config, defaults(config_name, list(HydraConfig.get().overrides.task)))
    return config


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


def _one_line(error: Exception, config_name: str, arguments: Sequence[str]) -> str:
    """Say what is wrong in a line that can be printed, whatever files it quotes."""
    return one_line(_say(error, config_name, arguments))


def _say(error: Exception, config_name: str, arguments: Sequence[str]) -> str:
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
    if isinstance(error, OSError | BrokenExecutor):
        return str(error)
    standard = defaults(config_name, arguments)
    for argument in arguments:
        key = argument.split("=")[0].lstrip("+~").split("@")[0]
        if "=" in argument and key not in known_keys(standard) and not key.startswith("hydra"):
            return f"there is no option '{key}'.{suggest(key, standard)} See --help for all of them"
    return str(error)
