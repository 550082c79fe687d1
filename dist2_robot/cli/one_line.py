"""What is wrong with a command line, in one line."""

from collections.abc import Sequence
from concurrent.futures import BrokenExecutor

from hydra.errors import MissingConfigException
from omegaconf.errors import MissingMandatoryValue

from dist2_robot.cli.defaults import defaults, known_keys, suggest
from dist2_robot.cli.kinds import open_mapping
from dist2_robot.errors import InputError, did_you_mean
from dist2_robot.printable import one_line as in_one_line


def one_line(error: Exception, config_name: str, arguments: Sequence[str]) -> str:
    """Say what is wrong in a line that can be printed, whatever files it quotes."""
    return in_one_line(_say(error, config_name, arguments)) or type(error).__name__


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
        if open_mapping(key, standard, config_name):
            continue
        if "=" in argument and key not in known_keys(standard) and not key.startswith("hydra"):
            return f"there is no option '{key}'.{suggest(key, standard)} See --help for all of them"
    return str(error)
