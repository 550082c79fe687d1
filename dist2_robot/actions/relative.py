"""Absolute targets to deltas and back. B batch, T steps of a chunk, A action dimensions.

Positions and angles are subtracted number by number, the short way round where a dimension wraps. Grippers stay
absolute in either form: whether to hold something does not depend on where the fingers are.

Three numbers of an axis-angle (or those of a quaternion or of rotation_6d) come back exactly too, but their difference
is no rotation. For a delta that is one, use `relative_rotation` and `compose_rotation` of `actions.rotation`.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec

Reference = Literal["start", "previous"]


def to_delta(actions: Tensor, state: Tensor, spec: ActionSpec, reference: Reference = "start") -> Tensor:
    """Return how far each target is from its reference; `to_absolute` undoes it.

    Args:
        actions: Absolute targets, (T, A) or (B, T, A), in the units of the spec.
        state: Where the robot stands at the start of the chunk, (A,) or (B, A), in the order and units of the actions.
            What it says of a gripper counts for nothing.
        spec: The absolute spec of the actions.
        reference: ``start``: delta_t = target_t - state, so that an error of one step stays in that step.
            ``previous``: delta_t = target_t - target_(t-1), and the state comes before target_0: small numbers, but
            errors add up.

    Returns:
        Deltas like the actions; those that wrap lie in [-period/2, period/2).

    Raises:
        ValueError: The spec is one of deltas, there is no such reference, a shape does not fit, or a number is not
            finite.
    """
    values, start = _checked(actions, state, spec, reference)
    _, period, wraps, is_gripper = _columns(spec, actions.device)
    before = torch.cat([start, values[..., :-1, :]], dim=-2) if reference == "previous" else start
    delta = values - before
    delta = torch.where(wraps, _wrapped(delta, -period / 2, period), delta)
    return torch.where(is_gripper, values, delta).to(actions.dtype)


def to_absolute(deltas: Tensor, state: Tensor, spec: ActionSpec, reference: Reference = "start") -> Tensor:
    """Return the targets, like the deltas (T, A) or (B, T, A), that deltas from a state (A,) or (B, A) lead to.

    Targets that wrap lie in [low, high), before they are rounded to the precision of the deltas. Nothing else is
    clipped: a delta may lead out of the limits. Arguments and errors are those of `to_delta`; the spec is the absolute
    one here too.
    """
    values, start = _checked(deltas, state, spec, reference)
    low, period, wraps, is_gripper = _columns(spec, deltas.device)
    targets = start + (values.cumsum(dim=-2) if reference == "previous" else values)
    targets = torch.where(wraps, _wrapped(targets, low, period), targets)
    return torch.where(is_gripper, values, targets).to(deltas.dtype)


def _columns(spec: ActionSpec, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return low, period (both float64), whether it wraps and whether it is a gripper, each (A,)."""
    low = torch.tensor([d.low for d in spec.dimensions], dtype=torch.float64, device=device)
    high = torch.tensor([d.high for d in spec.dimensions], dtype=torch.float64, device=device)
    wraps = torch.tensor([d.wraps for d in spec.dimensions], device=device)
    is_gripper = torch.tensor([d.kind == "gripper" for d in spec.dimensions], device=device)
    return low, high - low, wraps, is_gripper


def _wrapped(values: Tensor, low: Tensor, period: Tensor) -> Tensor:
    """Bring values into [low, low + period)."""
    wrapped = low + torch.remainder(values - low, period)
    return torch.where(wrapped < low + period, wrapped, low)  # what is a hair below low is rounded up to the far end


def _checked(actions: Tensor, state: Tensor, spec: ActionSpec, reference: str) -> tuple[Tensor, Tensor]:
    """Return actions ([B,] T, A) and state ([B,] 1, A) in float64, so that a long sum of deltas does not drift."""
    if spec.control_mode != "absolute":
        raise ValueError(
            f"deltas are taken of absolute targets, but the control mode of the spec is {spec.control_mode}"
        )
    if reference not in get_args(Reference):
        raise ValueError(f"reference '{reference}' is none of {get_args(Reference)}")
    if actions.ndim not in (2, 3) or actions.shape[-1] != len(spec) or not actions.is_floating_point():
        raise ValueError(f"actions must be floats (T, {len(spec)}) or (B, T, {len(spec)}), got {tuple(actions.shape)}")
    batched = (*actions.shape[:-2], len(spec))
    if state.shape not in ((len(spec),), batched):
        raise ValueError(f"the state must be ({len(spec)},) or {batched}, got {tuple(state.shape)}")
    if not (torch.isfinite(actions).all() and torch.isfinite(state).all()):
        raise ValueError("cannot convert actions or a state that are not finite")
    return actions.double(), state.double().expand(batched)[..., None, :]
