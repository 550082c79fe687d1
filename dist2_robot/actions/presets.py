"""Action specs of the usual arms: joints or an end effector, absolute or delta, with or without a gripper.

What a delta means, and that grippers stay absolute in one, is told in `actions.relative`; how rotations are written
down, in `actions.rotation`. A delta of a rotation other than euler is R_delta = R_target R_state^-1.
"""

import math
from collections.abc import Sequence
from typing import Literal, get_args

from dist2_robot.actions.spec import DEFAULT_TOLERANCE, ActionDimension, ActionSpec, ControlMode
from dist2_robot.errors import InputError, did_you_mean

EndEffectorRotation = Literal["euler", "axis_angle", "rotation_6d", "quaternion"]
Gripper = Literal["binary", "continuous", "none"]

# LeRobot's names where it has any; r21 is row 2, column 1 of the rotation matrix.
POSITION_NAMES = ("ee.x", "ee.y", "ee.z")
ROTATION_NAMES: dict[str, tuple[str, ...]] = {
    "euler": ("ee.roll", "ee.pitch", "ee.yaw"),
    "axis_angle": ("ee.wx", "ee.wy", "ee.wz"),
    "rotation_6d": ("ee.r11", "ee.r21", "ee.r31", "ee.r12", "ee.r22", "ee.r32"),
    "quaternion": ("ee.qx", "ee.qy", "ee.qz", "ee.qw"),
}


def joint_spec(
    names: Sequence[str],
    low: Sequence[float],
    high: Sequence[float],
    *,
    rate_hz: float,
    control_mode: ControlMode = "absolute",
    unit: str = "rad",
    gripper: Gripper = "none",
    gripper_values: tuple[float, float] = (0.0, 1.0),
) -> ActionSpec:
    """Return the spec of an arm that is sent joint positions, or how far each joint is to turn.

    Args:
        names: One a joint, e.g. ``shoulder_pan.pos``.
        low: Lower limits in that unit; of a delta the farthest way down in one step.
        high: Upper limits in that unit; of a delta the farthest way up in one step.
        rate_hz: Actions a second.
        control_mode: ``absolute`` or ``delta``.
        unit: Of the joints: ``rad``, or ``deg``, ``m`` for a slide.
        gripper: See `gripper_dimension`; its name is ``gripper.pos``.
        gripper_values: Shut and open.

    Raises:
        InputError: There are not as many limits as names, or a limit or name is wrong: it names the joint.
    """
    if not len(names) == len(low) == len(high):
        raise InputError(f"{len(names)} joints need as many limits, got {len(low)} low and {len(high)} high")
    joints = [
        ActionDimension(name, "joint", unit, least, most) for name, least, most in zip(names, low, high, strict=True)
    ]
    return ActionSpec(
        (*joints, *gripper_dimension("gripper.pos", gripper, gripper_values)), control_mode, rate_hz, source="robot"
    )


def end_effector_spec(
    rotation: EndEffectorRotation = "axis_angle",
    control_mode: ControlMode = "delta",
    gripper: Gripper = "binary",
    *,
    rate_hz: float,
    position_low: Sequence[float],
    position_high: Sequence[float],
    largest_turn: float = math.pi,
    rotation_tolerance: float = math.nan,
    gripper_values: tuple[float, float] = (0.0, 1.0),
) -> ActionSpec:
    """Return the spec of an arm that is sent where its end effector shall be, or how it shall move, in the base frame.

    Args:
        rotation: How rotations are written down. Limits: ``euler`` +-pi rad, which wraps; ``axis_angle`` +-pi rad in
            each number, which does not wrap, for at pi it is the *opposite* axis that is the same; ``rotation_6d`` and
            ``quaternion`` +-1 without a unit. Deltas never wrap.
        control_mode: ``absolute`` or ``delta``.
        gripper: See `gripper_dimension`; its name is ``ee.gripper_pos``.
        rate_hz: Actions a second.
        position_low: x, y, z in m; of a delta the farthest way back in one step.
        position_high: x, y, z in m; of a delta the farthest way forth in one step.
        largest_turn: Of a delta in ``euler`` or ``axis_angle``, the limit of each number in rad; pi elsewhere.
        rotation_tolerance: The angle in rad that matters, or NaN for 1 % of the range from -``largest_turn`` to
            ``largest_turn``. No number of rotation_6d changes by more than the angle between two rotations, and none
            of a quaternion by more than half of it, so those are their tolerances. Positions get 1 % of their range.
        gripper_values: Shut and open.

    Raises:
        InputError: There is no such rotation, a position has not three limits, a limit is wrong, or ``largest_turn``
            is not in (0, pi] or is given where it means nothing.
    """
    if rotation not in ROTATION_NAMES:
        raise InputError(f"no rotation '{rotation}' in {list(ROTATION_NAMES)}.{did_you_mean(rotation, ROTATION_NAMES)}")
    if not len(position_low) == len(position_high) == 3:
        raise InputError(f"a position needs 3 limits, got {len(position_low)} low and {len(position_high)} high")
    has_limit = control_mode == "delta" and rotation in ("euler", "axis_angle")
    if not 0 < largest_turn <= math.pi or (largest_turn < math.pi and not has_limit):
        raise InputError(
            f"largest_turn lies in (0, pi], below pi for a delta in euler or axis_angle only, got {largest_turn}"
        )
    angle = 2 * largest_turn * DEFAULT_TOLERANCE if math.isnan(rotation_tolerance) else rotation_tolerance
    limit, unit, tolerance = {
        "euler": (largest_turn, "rad", angle),
        "axis_angle": (largest_turn, "rad", angle),
        "rotation_6d": (1.0, "1", angle),
        "quaternion": (1.0, "1", angle / 2),
    }[rotation]
    wraps = rotation == "euler" and control_mode == "absolute"
    positions = [
        ActionDimension(name, "ee_position", "m", low, high)
        for name, low, high in zip(POSITION_NAMES, position_low, position_high, strict=True)
    ]
    rotations = [
        ActionDimension(name, "ee_rotation", unit, -limit, limit, wraps, tolerance) for name in ROTATION_NAMES[rotation]
    ]
    grippers = gripper_dimension("ee.gripper_pos", gripper, gripper_values)
    return ActionSpec((*positions, *rotations, *grippers), control_mode, rate_hz, source="robot")


def gripper_dimension(
    name: str, gripper: Gripper, values: tuple[float, float] = (0.0, 1.0)
) -> tuple[ActionDimension, ...]:
    """Return the dimension of a gripper that is sent a value without a unit, or nothing for ``none``.

    A ``continuous`` one has the two values as its limits. Those of a ``binary`` one lie half a gap beyond them, so
    that two bins have their centres at the values themselves, and more bins still decode them to within half a bin.
    Neither kind is averaged when it is decoded, for half open is neither. The two values of a ``binary`` one are 50
    tolerances apart, lest a target that is spread over its neighbours reach the other one; a tokenizer that counts its
    bins by the tolerance takes a hundred, so give it the 2.

    Raises:
        InputError: There is no such gripper, or the two values are the same.
    """
    if gripper not in get_args(Gripper):
        raise InputError(
            f"no gripper '{gripper}' in {list(get_args(Gripper))}.{did_you_mean(gripper, get_args(Gripper))}"
        )
    if gripper == "none":
        return ()
    low, high = min(values), max(values)
    margin = (high - low) / 2 if gripper == "binary" else 0.0
    return (ActionDimension(name, "gripper", "1", low - margin, high + margin),)
