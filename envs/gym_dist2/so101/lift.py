"""A cube must be taken and lifted."""

from typing import Any

import numpy as np

from gym_dist2.so101.grasping import AT_CUBE_M, CARRY_M, FAR_M, SHUT, above, holds, take
from gym_dist2.so101.task import SO101Task
from gym_dist2.so101.things import CUBE_M, add_cube, cube_yaw_rad, put_cube
from gym_dist2.stages import in_order, nearness

LIFTED_M = 0.06
LOW, HIGH = (0.17, -0.1), (0.27, 0.1)
YAW_RAD = 0.5


class Lift(SO101Task):
    """Lift the cube's middle to 6 cm, within 100 steps."""

    task_description = "Lift the red cube."
    time_limit = 100
    thing_names = ("cube_x", "cube_y", "cube_z", "cube_yaw")

    @classmethod
    def furnish(cls, mujoco: Any, spec: Any) -> None:
        """Add the cube."""
        add_cube(mujoco, spec, "cube")

    def place(self, rng: np.random.Generator) -> None:
        """Draw where the cube lies and how it is turned."""
        put_cube(self._data, "cube", rng.uniform(LOW, HIGH), rng.uniform(-YAW_RAD, YAW_RAD))

    def things(self) -> np.ndarray:
        """Return the cube's place and yaw."""
        return np.array([*self.place_of("cube"), cube_yaw_rad(self._data, "cube")])

    def is_success(self) -> bool:
        """Tell whether the cube is up."""
        return bool(self.place_of("cube")[2] >= LIFTED_M)

    def progress(self) -> float:
        """Return half for being at the cube, half for its height."""
        near = np.exp(-np.linalg.norm(self.hand_pose[:3] - self.place_of("cube")) / 0.1)
        return float(0.5 * near + 0.5 * np.clip(self.place_of("cube")[2] / LIFTED_M, 0, 1))

    def stages(self) -> dict[str, float]:
        """Return how much is done, 0 to 1, of going to the cube, of holding it, and of lifting it."""
        cube, hand = self.place_of("cube"), self.hand_pose
        shares = {
            "reached": nearness(float(np.linalg.norm(hand[:3] - cube)), AT_CUBE_M, FAR_M),
            "held": holds(hand, self.opening, cube),
            "lifted": nearness(LIFTED_M - cube[2], 0.0, LIFTED_M - CUBE_M),
        }
        return in_order(shares, self.is_success())

    def plan(self) -> tuple[np.ndarray, float]:
        """Take the cube, then straight up."""
        hand, yaw = self.hand_pose, cube_yaw_rad(self._data, "cube")
        if not holds(hand, self.opening, self.place_of("cube")):
            return take(hand, self.place_of("cube"), yaw)
        pose = above(hand, CARRY_M)
        pose[4] = hand[4]
        return pose, SHUT
