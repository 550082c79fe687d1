"""Makes LeRobot's policies known by name. They are imported when the first of them is built: that takes seconds."""

from collections.abc import Callable
from functools import partial
from typing import Any

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.registry import register_policy
from dist2_robot.policies.policy import Policy
from dist2_robot.types import ObservationSpec

BASELINES = ("act", "diffusion", "vqbet")


def register_baselines() -> None:
    """Let configs and checkpoints name them; to do it twice changes nothing."""
    for name in BASELINES:
        register_policy(name, partial(_build, name))


def _build(name: str, spec: ActionSpec, observation: ObservationSpec, **settings: Any) -> Policy:
    return _class(name)(spec, observation, **settings)


def _class(name: str) -> Callable[..., Policy]:
    if name == "act":
        from dist2_robot.lerobot.baselines.act import ACTBaseline

        return ACTBaseline
    if name == "diffusion":
        from dist2_robot.lerobot.baselines.diffusion import DiffusionBaseline

        return DiffusionBaseline
    from dist2_robot.lerobot.baselines.vqbet import VQBeTBaseline

    return VQBeTBaseline
