"""Open a LeRobot robot by the name of its type, as LeRobot's own commands do."""

import contextlib
import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import draccus
import lerobot.cameras
import lerobot.robots
from lerobot.robots import RobotConfig, make_robot_from_config
from lerobot.utils.import_utils import register_third_party_plugins

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.errors import InputError, did_you_mean
from dist2_robot.lerobot import config_so101_sim
from dist2_robot.lerobot.robot_adapter import AdaptedRobot, AdaptedSimulation
from dist2_robot.lerobot.robot_units import spec_of_motors

RATE_HZ = 30.0
_OURS = (config_so101_sim,)  # imported so that they are registered


def open_lerobot_robot(
    kind: str,
    options: Mapping[str, Any],
    *,
    rate_hz: float = RATE_HZ,
    spec: ActionSpec | None = None,
    velocity: Mapping[str, float] | None = None,
) -> AdaptedRobot:
    """Return a LeRobot robot, disconnected, for our control loop.

    Types are those that come with LeRobot, ours, and those of installed distributions ``lerobot_robot_*``.

    Args:
        kind: What LeRobot calls ``--robot.type``, e.g. ``so101_follower``.
        options: What follows ``--robot.`` there, nested, e.g. ``{"port": "/dev/ttyACM0", "id": "black"}``.
        rate_hz: Targets a second, if the motors tell the spec.
        spec: Its actions, for a robot whose motors do not tell.
        velocity: Dimension -> largest speed in its unit a second.

    Raises:
        InputError: No such type, wrong options, a missing package, or no calibration.
    """
    _register()
    if kind not in (known := RobotConfig.get_known_choices()):
        raise InputError(
            f"LeRobot knows no robot '{kind}', only {', '.join(sorted(known))}.{did_you_mean(kind, known)}"
        )
    try:
        config = draccus.decode(RobotConfig, {**options, "type": kind})
        robot: Any = make_robot_from_config(config)
    except InputError:
        raise
    except Exception as error:  # each robot has its own
        raise InputError(f"robot {kind}: {' '.join(str(_root(error)).split())}") from error
    if kind == "so101_sim":
        told = robot.arm.description.spec
        if spec is not None and spec.units != told.units:
            raise InputError(
                f"so101_sim tells {list(told.units)}, the given spec {list(spec.units)}: leave out robot.spec"
            )
        spec = spec or told
    adapted = AdaptedSimulation if hasattr(robot, "begin_episode") else AdaptedRobot
    return adapted(robot, spec or spec_of_motors(robot, rate_hz), velocity)


def _register() -> None:
    """Import what registers robots and cameras; those that lack a package do not register."""
    _import_parts(lerobot.robots)
    _import_parts(lerobot.cameras)
    register_third_party_plugins()


def _import_parts(package: ModuleType) -> None:
    for part in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if part.ispkg:
            with contextlib.suppress(ImportError):
                importlib.import_module(part.name)


def _root(error: BaseException) -> BaseException:
    """Return the first cause: LeRobot wraps errors in the whole config."""
    return error if error.__cause__ is None else _root(error.__cause__)
