"""Ways to write a rotation down, and how to get from one to another. All in rad, all float64, any leading shape (...).

| representation | shape | meaning |
|---|---|---|
| ``euler`` | (..., 3) | roll, pitch, yaw about the *fixed* axes x, y, z: R = Rz(yaw) Ry(pitch) Rx(roll), as in URDF |
| ``axis_angle`` | (..., 3) | unit axis times angle, also called rotation vector |
| ``rotation_6d`` | (..., 6) | first, then second *column* of R (Zhou et al. 2019); PyTorch3D stores the rows instead |
| ``quaternion`` | (..., 4) | x, y, z, w, the scalar last |
| ``matrix`` | (..., 3, 3) | R, which turns coordinates in the body's frame into coordinates in the base frame |
"""

import warnings
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

Representation = Literal["euler", "axis_angle", "rotation_6d", "quaternion", "matrix"]
SHAPES: dict[Representation, tuple[int, ...]] = {
    "euler": (3,),
    "axis_angle": (3,),
    "rotation_6d": (6,),
    "quaternion": (4,),
    "matrix": (3, 3),
}

# Below it a norm, or the sine of the angle between two columns, is rounding error of 32-bit numbers and no direction.
DEGENERATE = 1e-6
LARGEST = 1e100  # what is larger squares to infinity, so it counts as not finite
# How far from orthonormal a matrix may be, more than rounding to 32 bits leaves. Learnt outputs belong in rotation_6d.
MATRIX_ERROR = 1e-4


def to_matrix(values: ArrayLike, representation: Representation) -> np.ndarray:
    """Return the matrices (..., 3, 3) of rotations; see `convert`."""
    return convert(values, representation, "matrix")


def from_matrix(matrices: ArrayLike, representation: Representation) -> np.ndarray:
    """Write rotation matrices (..., 3, 3) in another way; see `convert`."""
    return convert(matrices, "matrix", representation)


def convert(values: ArrayLike, source: Representation, target: Representation) -> np.ndarray:
    """Write rotations in another way. What comes out is unique, as far as the representation has one answer:

    - ``euler``: roll and yaw in [-pi, pi), pitch in [-pi/2, pi/2]. In gimbal lock (pitch at either end) yaw is 0.
    - ``axis_angle``: angle in [0, pi]; at pi the two opposite axes are the same rotation, and rounding picks one.
    - ``rotation_6d`` and ``matrix``: orthonormal, and the only ones that are continuous everywhere.
    - ``quaternion``: unit, and of q and -q the one with w > 0; at w = 0 the one whose first number that is not 0 is
      positive. A sequence that crosses w = 0 jumps there: see `continuous`.

    What goes in may be any angles, a quaternion of any length and either sign, and any two columns that point in
    different directions: they are made orthonormal by Gram-Schmidt, which keeps the direction of the first.

    Raises:
        ValueError: There is no such representation, the shape is another, or a row is no rotation: not finite, a zero
            quaternion, zero or parallel 6-D columns, a matrix that is not orthonormal or mirrors. It names the row.
    """
    rotations, leading = _read(values, source)
    if target not in SHAPES:
        raise ValueError(f"rotation representation '{target}' is none of {get_args(Representation)}")
    return _write(rotations, target).reshape(*leading, *SHAPES[target])


def angle_between(a: ArrayLike, b: ArrayLike, representation: Representation = "matrix") -> np.ndarray:
    """Return the angle (...) in [0, pi] of the rotation from a to b, the geodesic distance on SO(3).

    Accurate at both ends, where the arc cosine of the trace is not. Leading shapes broadcast.
    """
    a_in_base, b_in_base, leading = _read_pair(a, b, representation)
    return (b_in_base * a_in_base.inv()).magnitude().reshape(leading)


def relative_rotation(state: ArrayLike, target: ArrayLike) -> np.ndarray:
    """Return the turn from a state to a target, R_delta = R_target R_state^-1, all in axis-angle (..., 3).

    Its axis is in the *base* frame, in which state and target are. `compose_rotation` undoes it.
    Leading shapes broadcast: one state (3,) and a chunk of targets (T, 3) give (T, 3).
    """
    state_in_base, target_in_base, leading = _read_pair(state, target, "axis_angle")
    return _write(target_in_base * state_in_base.inv(), "axis_angle").reshape(*leading, 3)


def compose_rotation(delta: ArrayLike, state: ArrayLike) -> np.ndarray:
    """Turn a state by a delta, R_target = R_delta R_state, all in axis-angle (..., 3) in the base frame."""
    delta_in_base, state_in_base, leading = _read_pair(delta, state, "axis_angle")
    return _write(delta_in_base * state_in_base, "axis_angle").reshape(*leading, 3)


def continuous(quaternions: ArrayLike) -> np.ndarray:
    """Choose the signs of a sequence of quaternions (..., T, 4) so that none is farther from the last than need be.

    q and -q are one rotation, yet a network that learns them as numbers sees a jump. The first is left as it is; so is
    one that is at a right angle to the last. Lengths stay. Raises ValueError as `convert` does.
    """
    sequence = _rows(quaternions, "quaternion")
    if sequence.ndim < 2:
        raise ValueError(f"a sequence of quaternions must be (..., T, 4), got {sequence.shape}")
    turns = np.where((sequence[..., 1:, :] * sequence[..., :-1, :]).sum(-1) < 0, -1.0, 1.0)  # (..., T - 1)
    sequence[..., 1:, :] *= np.cumprod(turns, axis=-1)[..., None]
    return sequence


def _read(values: ArrayLike, representation: Representation) -> tuple[Rotation, tuple[int, ...]]:
    """Return rotations in one flat row, for scipy before 1.17 knows no other, and the leading shape that they had."""
    rows, shape = _rows(values, representation), SHAPES[representation]
    flat, leading = rows.reshape(-1, *shape), rows.shape[: rows.ndim - len(shape)]
    if representation == "euler":
        return Rotation.from_euler("xyz", flat), leading
    if representation == "axis_angle":
        return Rotation.from_rotvec(flat), leading
    if representation == "quaternion":
        # One sign first: at w = 0 exactly, scipy gives q and -q opposite axes.
        return Rotation.from_quat(Rotation.from_quat(flat).as_quat(canonical=True)), leading
    return Rotation.from_matrix(_gram_schmidt(flat) if representation == "rotation_6d" else flat), leading


def _read_pair(
    a: ArrayLike, b: ArrayLike, representation: Representation
) -> tuple[Rotation, Rotation, tuple[int, ...]]:
    a, b = np.broadcast_arrays(_rows(a, representation), _rows(b, representation))
    rotations, leading = _read(a, representation)
    return rotations, _read(b, representation)[0], leading


def _write(rotations: Rotation, representation: Representation) -> np.ndarray:
    if representation == "axis_angle":
        return rotations.as_rotvec()
    if representation == "quaternion":
        return rotations.as_quat(canonical=True)
    if representation == "euler":
        with warnings.catch_warnings():  # of gimbal lock, where scipy's choice is as right as any
            warnings.simplefilter("ignore", UserWarning)
            angles = rotations.as_euler("xyz")
        return np.where(angles >= np.pi, -np.pi, angles)
    matrices = rotations.as_matrix()  # (N, 3, 3)
    return matrices[:, :, :2].swapaxes(-1, -2) if representation == "rotation_6d" else matrices


def _gram_schmidt(columns: np.ndarray) -> np.ndarray:
    """Return matrices (N, 3, 3) from two columns (N, 6) that are not parallel: Zhou et al. 2019, arXiv 1812.07035."""
    first, second = columns[:, :3], columns[:, 3:]
    first = first / np.linalg.norm(first, axis=-1, keepdims=True)
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    second = second - (first * second).sum(-1, keepdims=True) * first
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    return np.stack([first, second, np.cross(first, second)], axis=-1)


def _rows(values: ArrayLike, representation: Representation) -> np.ndarray:
    """Return a float64 copy of the values, once it is certain that each is a rotation."""
    if representation not in SHAPES:
        raise ValueError(f"rotation representation '{representation}' is none of {get_args(Representation)}")
    rows, shape = np.array(values, dtype=np.float64), SHAPES[representation]
    if rows.ndim < len(shape) or rows.shape[-len(shape) :] != shape:
        raise ValueError(f"rotations as {representation} must be (..., {', '.join(map(str, shape))}), got {rows.shape}")
    within = np.abs(rows) <= LARGEST  # false for NaN
    _refuse(~within.all(axis=tuple(range(-len(shape), 0))), rows, f"{representation} must be finite")
    if representation == "quaternion":
        _refuse(np.linalg.norm(rows, axis=-1) < DEGENERATE, rows, "a quaternion must not be zero")
    elif representation == "rotation_6d":
        lengths = np.linalg.norm(rows.reshape(*rows.shape[:-1], 2, 3), axis=-1)  # (..., 2)
        _refuse((lengths < DEGENERATE).any(-1), rows, "a column of rotation_6d must not be zero")
        first, second = rows[..., :3] / lengths[..., :1], rows[..., 3:] / lengths[..., 1:]
        sine = np.linalg.norm(np.cross(first, second), axis=-1)
        _refuse(sine < DEGENERATE, rows, "the columns of rotation_6d must not be parallel")
    elif representation == "matrix":
        off = np.abs(rows.swapaxes(-1, -2) @ rows - np.eye(3)).max(axis=(-1, -2))
        wrong = (off > MATRIX_ERROR) | (np.linalg.det(rows) < 0)
        _refuse(wrong, rows, "a matrix must have orthonormal, right-handed columns")
    return rows


def _refuse(bad: ArrayLike, rows: np.ndarray, law: str) -> None:
    """Raise ValueError where rows break a law, given as bad (...), and name the first by its index."""
    if np.any(bad):
        row = tuple(int(i) for i in np.argwhere(bad)[0])
        where = f"row {row[0] if len(row) == 1 else row} is" if row else "got"
        raise ValueError(f"{law}: {where} {rows[row].tolist()}")
