"""Policies of rooms above this one, made known by name. Imports nothing heavy, so that to register costs nothing."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dist2_robot.policies.policy import Policy

# Name in a config -> what builds it, from the action spec, an `ObservationSpec`, and the other settings by name.
REGISTERED: "dict[str, Callable[..., Policy]]" = {}


def register_policy(name: str, build: "Callable[..., Policy]") -> None:
    """Let configs and checkpoints name a policy; to do it twice puts the second in place of the first."""
    REGISTERED[name] = build
