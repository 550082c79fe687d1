"""Which unit recorded joints are in, as far as the numbers prove it. N frames.

The name of a robot tells no unit: LeRobot's arms on motor buses are recorded in degrees or in percent of the calibrated
range (-100 to 100, its default before February 2026), by an option that no dataset keeps. In percent the driver stops
every number at exactly 100.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dist2_robot.actions.guess import is_gripper
from dist2_robot.actions.spec import UNKNOWN_UNIT

ARMS = (
    "so100",
    "so101",
    "so_follower",
    "koch",
    "omx",
    "lekiwi",
    "moss",
)  # in LeRobot's names of robots: deg or percent
PERCENT_GRIPPERS = ("so100", "so101", "so_follower", "lekiwi")  # whose gripper was never recorded in degrees
FULL = 100.0  # percent
ROUNDING = 0.01
FARTHEST_DEG = 400.0  # a turn, and some: what is beyond is no angle in degrees, but ticks of an encoder
STOPPED_JOINTS = 2  # one may stop at exactly 100 by chance


@dataclass(frozen=True)
class Evidence:
    """Attributes: unit: Or ``?``. why: How the numbers prove it; empty where they do not."""

    unit: str = UNKNOWN_UNIT
    why: str = ""


def prove_units(robot_type: str, columns: Mapping[str, Sequence[np.ndarray]]) -> dict[str, Evidence]:
    """Return what is proved of the units of named numbers.

    Args:
        robot_type: LeRobot's name of the robot, or an empty text.
        columns: Name of a number -> its columns (N,), of actions and of states: the same name has the same unit.

    Returns:
        Name -> evidence, of all names.
    """
    robot = robot_type.lower()
    moved = {name: np.concatenate([np.asarray(c, np.float64) for c in some]) for name, some in columns.items()}
    moved = {name: x[np.isfinite(x)] for name, x in moved.items()}
    joints = {name: x for name, x in moved.items() if len(x) and not is_gripper(name) and _is_position(name)}
    found = dict.fromkeys(columns, Evidence())
    if not joints:
        return found
    reach = {name: float(np.abs(x).max()) for name, x in joints.items()}
    farthest = max(reach, key=lambda name: reach[name])
    stopped = [name for name, x in joints.items() if reach[name] == FULL and np.ptp(x) > 0]
    if reach[farthest] > FULL + ROUNDING:
        if any(arm in robot for arm in ARMS) and reach[farthest] <= FARTHEST_DEG:
            why = (
                f"{farthest} reaches {reach[farthest]:.4g}, so that it is no percent, and {robot_type} has degrees else"
            )
            found |= dict.fromkeys(joints, Evidence("deg", why))
    elif len(stopped) >= STOPPED_JOINTS:
        why = f"{stopped[0]} and {stopped[1]} stop at exactly 100, as percent of the calibrated range do"
        found |= dict.fromkeys(joints, Evidence("%", why))
    unit = found[farthest].unit
    for name, x in moved.items():
        if not is_gripper(name) or not len(x) or x.min() < 0 or x.max() > FULL:
            continue
        if unit == "%":
            found[name] = Evidence(
                "%", f"it lies within 0 and 100, and the joints are in percent: {found[farthest].why}"
            )
        elif unit == "deg" and any(arm in robot for arm in PERCENT_GRIPPERS) and (x.max() == FULL or x.min() == 0):
            found[name] = Evidence("%", "it stops at exactly 0 or 100, as percent of the calibrated range do")
    return found


def _is_position(name: str) -> bool:
    return not name.endswith((".vel", ".effort", ".torque", ".current")) and not name.startswith("base")
