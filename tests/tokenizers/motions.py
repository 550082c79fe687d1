"""Smooth motions of a robot of three kinds of dimensions, one of which turns through its seam."""

import math

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionDimension, ActionSpec

T = 8
SPEC = ActionSpec(
    (
        ActionDimension("x", "ee_position", "mm", 100.0, 103.0, tolerance=0.05),
        ActionDimension("claw", "gripper", "m", 0.0, 0.08),
        ActionDimension("yaw", "ee_rotation", "rad", -math.pi, math.pi, wraps=True),
    ),
    "absolute",
    10.0,
    "file",
)
# Limits that no motion comes near, in a unit of one tolerance.
WIDE = ActionSpec(
    tuple(ActionDimension(name, "joint", "?", -1000.0, 1000.0, tolerance=1.0) for name in "abc"), "delta", 10.0, "file"
)


def motions(count: int = 200, seed: int = 1) -> Tensor:
    """Return chunks (N, T, 3) of `SPEC`, float64; some rest at a limit, and the yaw often crosses its seam."""
    share = _shares(count, seed)
    share[..., :2] = share[..., :2].clamp(0, 1)
    low = torch.tensor([100.0, 0.0, math.pi], dtype=torch.float64)
    span = torch.tensor([3.0, 0.08, 2 * math.pi], dtype=torch.float64)
    moves = low + span * share
    moves[..., 2] = torch.remainder(moves[..., 2] + math.pi, 2 * math.pi) - math.pi
    return moves


def wide_motions(count: int = 200, seed: int = 1) -> Tensor:
    """Return chunks (N, T, 3) of `WIDE` in the middle of its range, some 30 tolerances from 0."""
    return 40.0 * (_shares(count, seed) - 0.5)


def apart(a: Tensor, b: Tensor) -> Tensor:
    """Return |a - b| (..., 3) in units of `SPEC`, for the yaw the short way round."""
    difference = (a.double() - b.double()).abs()
    turn = difference[..., 2] % (2 * math.pi)
    difference[..., 2] = torch.minimum(turn, 2 * math.pi - turn)
    return difference


def rms(a: Tensor, b: Tensor) -> float:
    """Return the root mean square of the difference."""
    return float((a.double() - b.double()).square().mean().sqrt())


def _shares(count: int, seed: int) -> Tensor:
    """Return where the chunks are between the limits, 0 to 1."""
    time = torch.linspace(0, 1, T, dtype=torch.float64)[:, None]
    numbers = torch.rand(3, count, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    start, speed, bend = numbers - 0.5
    return 0.5 + start + 0.2 * speed * time + 0.2 * bend * time**2
