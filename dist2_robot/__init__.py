"""Robot policies over discrete action tokens that keep their metric.

The way of an action through this package: ``actions`` says what an action is, ``tokenizers`` cut it into tokens,
``distances`` tell how far apart two tokens are in physical units, ``losses`` train on that, ``models`` and
``policies`` predict and decode, ``rollouts`` and ``evaluation`` turn a policy into a success rate.

Importing this package is cheap: the names below are loaded when they are first used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "ActionSpec": "dist2_robot.actions.spec",
    "UniformTokenizer": "dist2_robot.tokenizers.uniform",
    "Dist2Loss": "dist2_robot.losses.dist2",
    "EnergyLoss": "dist2_robot.losses.energy",
    "TokenPolicy": "dist2_robot.policies.token_policy",
    "load_policy": "dist2_robot.checkpoints.store",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dist2_robot' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
