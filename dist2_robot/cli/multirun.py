"""A job of a sweep (``--multirun``): folder and name follow from what was swept, and a failure is told."""

import hashlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from dist2_robot.cli.closed_pipe import is_closed
from dist2_robot.errors import InputError
from dist2_robot.printable import printable

# Runs that differ in these alone are seeds and tasks of one method, which dist2-compare tells by its name.
_NOT_IN_THE_NAME = ("seed", "task", "env")
_LONGEST = 60  # characters of a value in the name of a folder
_STOPPED = (130, 143)

# Takes the config of a job that is done; returns what a search makes small, or None if there is nothing to tell.
Objective = Callable[[Mapping[str, Any]], float | None]


class SweptJobError(Exception):
    """A job of a sweep failed. Hydra's sweeper must see an exception, or it takes the job for a good one.

    Args:
        message: One line.
        code: Exit code for it.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)  # all of them, for pickle: jobs may be in other processes
        self.message, self.code = message, code


def in_sweep() -> bool:
    """Tell whether the task that Hydra runs now is a job of a sweep."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def do_job(
    name: str,
    arguments: Sequence[str],
    do: Callable[[], int],
    say: Callable[[Exception], str],
    objective: Callable[[], float | None] | None,
) -> float | None:
    """Do a job, in whichever process it is, and return what Hydra's sweeper gets of it.

    Args:
        name: Of the command.
        arguments: Of the whole sweep.
        do: Returns an exit code.
        say: Tells an error in one line.
        objective: Of the job, once it is done.

    Raises:
        SweptJobError: It failed, which was printed here: the sweeper tells of the first failure alone.
        SystemExit: It was told to stop, and so is the sweep.
    """
    title = folder_name(swept_options(arguments)) or "the only job"
    print(f"{name}: {title}", flush=True)
    try:
        code = do()
        if code in _STOPPED:
            sys.exit(code)
        if code:
            raise SweptJobError(f"{title} failed with exit code {code}", code)
        value = objective() if objective else None
        if value is None and is_search():
            raise InputError(
                "there is nothing to search by: hold episodes out (dataset.validation), or check successes"
            )
    except (InputError, OmegaConfBaseException, OSError) as error:
        if isinstance(error, BrokenPipeError) and is_closed():
            raise
        message = f"{title}: {say(error)}"
        print(printable(f"{name}: {message}"), file=sys.stderr)
        raise SweptJobError(message, 1 if isinstance(error, OSError) else 2) from error
    return value


def is_search() -> bool:
    """Tell whether the next jobs depend on what comes out of these."""
    return HydraConfig.get().runtime.choices.get("hydra/sweeper") != "basic"


def with_own_folder(config: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, Any]:
    """Return the config of a job of a sweep with a folder of its own, inside ``output``, and a name."""
    swept = swept_options(arguments)
    output = Path(config["output"])
    method = {key: value for key, value in swept.items() if key not in _NOT_IN_THE_NAME}
    name = config["name"] or folder_name(method) or output.name
    return {**config, "output": str(output / folder_name(swept)), "name": name}


def swept_options(arguments: Sequence[str]) -> dict[str, str]:
    """Return options of the present job that the arguments of the sweep do not fix, by name, the seed last."""
    is_fixed = {o.key_or_group: not o.is_sweep_override() for o in _parsed(arguments)}  # given twice: the last counts
    job = {o.key_or_group: o.get_value_element_as_str() for o in _parsed(HydraConfig.get().overrides.task)}
    swept = [key for key in job if not is_fixed.get(key)]
    return {key: job[key] for key in sorted(swept, key=lambda key: (key == "seed", key))}


def folder_name(swept: Mapping[str, str]) -> str:
    """Return a name such as ``cross_entropy-width_64-seed_0``: the choice of a group says enough without the group."""
    last = [key.rpartition(".")[2] for key in swept]
    groups = HydraConfig.get().runtime.choices
    parts = []
    for key, value in swept.items():
        short = key.rpartition(".")[2]
        label = "" if key in groups else f"{short if last.count(short) == 1 else key}_"
        parts.append(label + _in_a_path(value))
    return "-".join(parts)


def _in_a_path(value: str) -> str:
    """Return a value without what a path, a shell or Hydra reads otherwise, and still a value of its own."""
    plain = re.sub(r"[^\w.+-]+", "-", value.strip("'\"/")).strip("-")[:_LONGEST]
    if plain == value.replace("/", "-"):
        return plain
    return f"{plain}-{hashlib.sha256(value.encode()).hexdigest()[:6]}"


def _parsed(arguments: Sequence[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides([a for a in arguments if not a.startswith("-")])
