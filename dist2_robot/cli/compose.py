"""The config of a command, from options as one would type them, without running it."""

from collections.abc import Sequence
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dist2_robot.cli.arguments import hydra_arguments
from dist2_robot.cli.defaults import defaults
from dist2_robot.cli.kinds import check_kinds
from dist2_robot.cli.one_line import one_line
from dist2_robot.config_dir import config_dir
from dist2_robot.errors import InputError


def compose_config(config_name: str, options: Sequence[str]) -> dict[str, Any]:
    """Return the config as the command of that name would get it.

    Not within another command of ours: Hydra keeps one config at a time.

    Raises:
        InputError: An option is wrong.
    """
    GlobalHydra.instance().clear()
    arguments = hydra_arguments(options, config_name)
    try:
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
            composed = hydra.compose(config_name, arguments)
        plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(f"{' '.join(options)}: {one_line(error, config_name, arguments)}") from error
    assert isinstance(plain, dict)
    config = {str(key): value for key, value in plain.items()}
    check_kinds(config, defaults(config_name, arguments), config_name)
    return config
