"""The hand must come to a point in the air."""

from typing import Any

import numpy as np

from gym_dist2.so101.task import HOME, SO101Task
from gym_dist2.so101.things import GREEN

NEAR_M = 0.02
LOW, HIGH = (0.16, -0.12, 0.04), (0.28, 0.12, 0.16)
PITCH_RAD = 1.2


class Reach(SO101Task):
    """Bring the point between the fingertips within 2 cm of the target, within 60 steps."""

    task_description = "Reach the green ball."
    time_limit = 60
    thing_names = ("target_x", "target_y", "target_z")

    @classmethod
    def furnish(cls, mujoco: Any, spec: Any) -> None:
        """Add the target, which touches nothing."""
        body = spec.worldbody.add_body(name="target", mocap=True)
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[NEAR_M, 0, 0], rgba=GREEN, contype=0, conaffinity=0)

    def place(self, rng: np.random.Generator) -> None:
        """Draw the target."""
        self._data.mocap_pos[0] = rng.uniform(LOW, HIGH)

    def things(self) -> np.ndarray:
        """Return the target."""
        return self._data.mocap_pos[0]

    def is_success(self) -> bool:
        """Tell whether the hand is at the target."""
        return self._distance_m() <= NEAR_M

    def progress(self) -> float:
        """Return 1 at the target, less the farther from it."""
        return float(np.exp(-self._distance_m() / 0.1))

    def plan(self) -> tuple[np.ndarray, float]:
        """Go straight to the target."""
        return np.array([*self._data.mocap_pos[0], PITCH_RAD, 0.0]), HOME[5]

    def _distance_m(self) -> float:
        return float(np.linalg.norm(self.hand_pose[:3] - self._data.mocap_pos[0]))
