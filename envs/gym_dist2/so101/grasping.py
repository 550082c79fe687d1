"""How the SO-101's experts take a cube from above, carry it and let it go: functions of what is seen, with no memory.

A hand pose is (5,), as in `kinematics`.
"""

import numpy as np

from gym_dist2.so101.things import CUBE_M

DOWN_RAD = 1.5  # pitch of a hand that looks down: a little less than upright, which the wrist reaches everywhere
OPEN, SHUT = 80.0, 12.0  # of the gripper, in percent; shut presses on a cube with what the servo has
_FREE = 40.0  # so far open that a cube is no longer touched
_LAID_M = 0.012  # how near the expert lays a cube
HOVER_M, CARRY_M = 0.06, 0.09  # heights
AT_CUBE_M, FAR_M = 0.03, 0.09  # from hand to cube: where stages say that it is reached, and that it is not at all
_JAW_YAW_RAD = -0.049  # of the jaws, with pan and roll at 0
_ALIGNED_M, _ALIGNED_RAD = 0.004, 0.1  # when the hand may go down
_LOST_M, _LOST_RAD = 0.012, 0.25  # when it must go up again


def above(place: np.ndarray, height_m: float, yaw_rad: float = 0.0) -> np.ndarray:
    """Return the pose of a hand over a place (x, y, ...) that looks down, its jaws turned to a yaw."""
    pan = -np.arctan2(place[1], place[0] - 0.0388)  # of the shoulder, which stands a little ahead of the origin
    return np.array([place[0], place[1], height_m, DOWN_RAD, yaw_rad + pan - _JAW_YAW_RAD])


def holds(hand: np.ndarray, opening: float, cube: np.ndarray) -> bool:
    """Tell whether a cube (3,) is between the fingertips of a gripper that is as good as shut."""
    return bool(np.linalg.norm(hand[:3] - cube) < CUBE_M and opening < 32.0)


def take(hand: np.ndarray, cube: np.ndarray, yaw_rad: float) -> tuple[np.ndarray, float]:
    """Return where to go and how open to be: over the cube (3,), down, shut."""
    goal = above(cube, cube[2], yaw_rad)
    off_m, off_rad = np.linalg.norm(hand[:2] - goal[:2]), abs(hand[4] - goal[4])
    is_over = hand[2] > HOVER_M - 0.012
    is_off = off_m > _ALIGNED_M or off_rad > _ALIGNED_RAD
    if (is_over and is_off) or off_m > _LOST_M or off_rad > _LOST_RAD:
        goal[2] = HOVER_M
        if not is_over:  # straight up: a cube that is touched from the side falls over
            goal[:2] = hand[:2]
        return goal, OPEN
    return goal, SHUT if hand[2] < cube[2] + 0.006 else OPEN


def carry(
    hand: np.ndarray, opening: float, cube: np.ndarray, yaw_rad: float, mark: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return where to go and how open to be: take a cube (3,) to a mark (2,), let it go, rise."""
    off = mark - cube[:2]
    is_there, is_low = bool(np.linalg.norm(off) < _LAID_M), cube[2] < CUBE_M / 2 + 0.006
    up = hand.copy()
    up[2] = CARRY_M
    if is_there and is_low:  # let go, then rise
        return (up, OPEN) if opening > _FREE else (hand.copy(), OPEN)
    if not holds(hand, opening, cube):
        return take(hand, cube, yaw_rad)
    if is_there:
        down = hand.copy()
        down[2] += CUBE_M / 2 - cube[2]
        return down, SHUT
    if cube[2] < CARRY_M - 0.035 and np.linalg.norm(off) > 2 * _LAID_M:
        return up, SHUT
    over = above(np.array([*(hand[:2] + off), 0.0]), CARRY_M)
    over[4] = hand[4]
    return over, SHUT
