"""The program of the process that owns the robot; `dist2_robot.deploy.robots.remote_robot.start_robot_host` starts it.

Like the policy's process it is no command for people: ``python -m dist2_robot.cli.robot_host SOCKET``.
"""

import sys
from collections.abc import Mapping
from typing import Any

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.deploy.robot import Robot
from dist2_robot.deploy.robots.robot_host import run_robot_host
from dist2_robot.errors import InputError

COMMAND = (sys.executable, "-m", "dist2_robot.cli.robot_host")


def make_robot(arguments: Mapping[str, Any]) -> Robot:
    """Return the robot that plain values describe.

    ``kind=simulated``: environment (a gymnasium id), kwargs, seed, velocity. ``kind=lerobot``: type, options, rate_hz,
    spec, velocity, see `open_lerobot_robot`.

    Raises:
        InputError: They do not describe one.
    """
    given = dict(arguments)
    kind = given.pop("kind", None)
    try:
        if kind == "simulated":
            return _simulated(**given)
        if kind == "lerobot":
            return _lerobot(**given)
    except TypeError as error:
        raise InputError(f"robot {kind}: {error}") from error
    raise InputError(f"there is no kind of robot '{kind}', only simulated and lerobot")


def _simulated(
    environment: str,
    kwargs: Mapping[str, Any] | None = None,
    seed: int = 0,
    velocity: Mapping[str, float] | None = None,
) -> Robot:
    from dist2_robot.deploy.robots.simulated_arm import SimulatedArm
    from dist2_robot.rollouts.environment import EnvironmentSpec

    return SimulatedArm(EnvironmentSpec(environment, dict(kwargs or {})), seed=seed, velocity=velocity)


def _lerobot(
    type: str,
    options: Mapping[str, Any] | None = None,
    rate_hz: float = 30.0,
    spec: Mapping[str, Any] | None = None,
    velocity: Mapping[str, float] | None = None,
) -> Robot:
    from dist2_robot.lerobot.open_robot import open_lerobot_robot  # takes seconds

    given = None if spec is None else ActionSpec.from_dict(spec)
    return open_lerobot_robot(type, options or {}, rate_hz=rate_hz, spec=given, velocity=velocity)


if __name__ == "__main__":
    run_robot_host(make_robot, int(sys.argv[1]))
