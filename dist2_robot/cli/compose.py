"""The config of a command, from options as one would type them, without running it."""

import re
from collections.abc import Sequence
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dist2_robot.cli.defaults import check_kinds, defaults
from dist2_robot.config_dir import config_dir
from dist2_robot.errors import InputError


def compose_config(config_name: str, options: Sequence[str]) -> dict[str, Any]:
    """Return the config as the command of that name would get it.

    Not within another command of ours: Hydra keeps one config at a time.

    Raises:
        InputError: An option is wrong.
    """
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
            composed = hydra.compose(config_name, list(options))
        plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(f"{' '.join(options)}: {' '.join(str(error).split())}") from error
    assert isinstance(plain, dict)
    config = {str(key): value for key, value in plain.items()}
    check_kinds(config, defaults(config_name, options))
    return config


def quoted(value: object) -> str:
    """Return a value as an option may hold it, whatever is in it, but for ``${``, which means another option."""
    # In Hydra's quotes a backslash is one, unless a quote follows.
    return "'" + re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + ("\\'" if found[2] else ""), str(value)) + "'"
