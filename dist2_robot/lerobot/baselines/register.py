"""Makes LeRobot's policies known by name. They are imported when the first of them is built: that takes seconds."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from dist2_robot.checkpoints.registered import register_policy

if TYPE_CHECKING:
    from dist2_robot.policies.policy import Policy

BASELINES = ("act", "diffusion", "vqbet")


def register_baselines() -> None:
    """Let configs and checkpoints name them. Commands do it; call it before `load_policy` in a program of your own."""
    for name in BASELINES:
        register_policy(name, partial(_build, name))


def _build(name: str, *arguments: Any, **settings: Any) -> "Policy":
    try:
        return _class(name)(*arguments, **settings)
    except AssertionError as error:  # how torch refuses some sizes
        raise ValueError(str(error)) from error


def _class(name: str) -> "Callable[..., Policy]":
    if name == "act":
        from dist2_robot.lerobot.baselines.act import ACTBaseline

        return ACTBaseline
    if name == "diffusion":
        from dist2_robot.lerobot.baselines.diffusion import DiffusionBaseline

        return DiffusionBaseline
    from dist2_robot.lerobot.baselines.vqbet import VQBeTBaseline

    return VQBeTBaseline
