"""Turns a function of a config into a command with a readable --help, one-line errors and exit codes.

Exit codes: 0 done, 1 failed or found problems, 2 wrong input, 130 interrupted, 143 told to stop and saved,
141 nobody reads the output any more.
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
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dist2_robot.cli.arguments import SWEEP, hydra_arguments
from dist2_robot.cli.closed_pipe import end_with_readers, is_closed
from dist2_robot.cli.defaults import defaults
from dist2_robot.cli.help import help_text
from dist2_robot.cli.kinds import check_kinds
from dist2_robot.cli.multirun import Objective, SweptJobError, do_job, in_sweep, with_own_folder
from dist2_robot.cli.one_line import one_line
from dist2_robot.config_dir import config_dir
from dist2_robot.errors import InputError
from dist2_robot.printable import PrintableStream, printable
from dist2_robot.printable import one_line as in_one_line

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
    with end_with_readers():
        if "--help" in sys.argv[1:] or "-h" in sys.argv[1:]:
            print(help_text(name, config_name, about, sys.argv[1:]))
            sys.exit(0)
        _compose_and_run(name, config_name, task, objective)


def _compose_and_run(name: str, config_name: str, task: Task, objective: Objective | None) -> None:
    arguments = sys.argv[1:]
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
        arguments = sys.argv[1:] = hydra_arguments(arguments, config_name)
        if any(argument in SWEEP for argument in arguments):
            signal.signal(signal.SIGTERM, _exit_at_once)
            options = [argument for argument in arguments if argument not in SWEEP]
            sys.argv[1:] = [SWEEP[0], *options]  # Hydra takes the flag before or after all options, not among them
        with redirect_stdout(PrintableStream(sys.stdout)):
            hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=config_name)(call_task)()
        if failure:
            raise failure
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted", file=sys.stderr)
        sys.exit(130)
    except SweptJobError as error:
        again = "; the same command with resume=auto does what is left" if objective else ""
        print(f"{name}: the sweep is incomplete: {in_one_line(error.message)}{again}", file=sys.stderr)
        sys.exit(error.code)
    except (InputError, HydraException, OmegaConfBaseException) as error:
        if wants_traceback:
            raise
        print(f"{name}: {one_line(error, config_name, arguments)}", file=sys.stderr)
        sys.exit(2)
    except (OSError, BrokenExecutor) as error:  # a full disk, a folder that may not be written, a worker killed
        if wants_traceback or (isinstance(error, BrokenPipeError) and is_closed()):
            raise
        print(f"{name}: {one_line(error, config_name, arguments)}", file=sys.stderr)
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
        say=lambda error: one_line(error, config_name, arguments),
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
    check_kinds(config, defaults(config_name, list(HydraConfig.get().overrides.task)), config_name)
    return config


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
