"""Things that lie on the SO-101's table: cubes, discs that mark places, and where they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gym_dist2.so101.arm import THING_TOUCH

CUBE_M = 0.025  # length of an edge
CUBE_KG = 0.02
RED, BLUE, GREEN = (0.8, 0.2, 0.15, 1.0), (0.15, 0.35, 0.8, 1.0), (0.2, 0.65, 0.3, 1.0)


def add_cube(mujoco: Any, spec: Any, name: str, rgba: Sequence[float] = RED) -> None:
    """Add a cube that moves freely."""
    body = spec.worldbody.add_body(name=name, pos=[0.2, 0.0, CUBE_M / 2])
    body.add_freejoint(name=name)
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[CUBE_M / 2] * 3,
        mass=CUBE_KG,
        rgba=rgba,
        condim=4,
        friction=[0.8, 0.01, 0.0005],
        contype=THING_TOUCH[0],
        conaffinity=THING_TOUCH[1],
    )


def add_mark(mujoco: Any, spec: Any, name: str, radius_m: float, rgba: Sequence[float] = GREEN) -> None:
    """Add a flat disc that marks a place and touches nothing."""
    body = spec.worldbody.add_body(name=name, mocap=True)
    size = [radius_m, 0.0005, 0.0]
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=size, rgba=rgba, contype=0, conaffinity=0)


def put_cube(data: Any, name: str, place: np.ndarray, yaw_rad: float) -> None:
    """Lay a cube on the table at a place (2,)."""
    x, y = place
    data.joint(name).qpos[:] = [x, y, CUBE_M / 2, np.cos(yaw_rad / 2), 0.0, 0.0, np.sin(yaw_rad / 2)]


def cube_yaw_rad(data: Any, name: str) -> float:
    """Return how far a cube is turned about the vertical, -45 to 45 degrees: its four sides look alike."""
    rotation = data.body(name).xmat.reshape(3, 3)
    yaw = np.arctan2(rotation[1, 0], rotation[0, 0])
    return float((yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def apart(
    rng: np.random.Generator, low: Sequence[float], high: Sequence[float], count: int, least_m: float
) -> np.ndarray:
    """Draw places (count, 2) on the table between two corners, at least so far from each other.

    The draws are tried again until they fit, so how many random numbers are used varies from seed to seed.
    """
    while True:
        places = rng.uniform(low, high, (count, 2))
        gaps = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.eye(count)
        if gaps.min() >= least_m:
            return places
