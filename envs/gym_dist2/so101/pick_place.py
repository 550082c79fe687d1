"""A cube must be taken and laid on a mark."""

from typing import Any

import numpy as np

from gym_dist2.so101.grasping import AT_CUBE_M, CARRY_M, FAR_M, carry, holds
from gym_dist2.so101.task import SO101Task
from gym_dist2.so101.things import CUBE_M, add_cube, add_mark, apart, cube_yaw_rad, put_cube
from gym_dist2.stages import in_order, nearness

MARK_M = 0.03  # radius
LOW, HIGH = (0.17, -0.12), (0.27, 0.12)
APART_M = 0.08
YAW_RAD = 0.5


class PickPlace(SO101Task):
    """Lay the cube's middle within 3 cm of the mark's and let it go, within 140 steps."""

    task_description = "Put the red cube on the green mark."
    time_limit = 140
    thing_names = ("cube_x", "cube_y", "cube_z", "cube_yaw", "mark_x", "mark_y")

    @classmethod
    def furnish(cls, mujoco: Any, spec: Any) -> None:
        """Add cube and mark."""
        add_cube(mujoco, spec, "cube")
        add_mark(mujoco, spec, "mark", MARK_M)

    def place(self, rng: np.random.Generator) -> None:
        """Draw where cube and mark lie and how the cube is turned."""
        cube, mark = apart(rng, LOW, HIGH, 2, APART_M)
        put_cube(self._data, "cube", cube, rng.uniform(-YAW_RAD, YAW_RAD))
        self._data.mocap_pos[0] = [*mark, 0.0]

    def things(self) -> np.ndarray:
        """Return the cube's place and yaw, and the mark."""
        return np.array([*self.place_of("cube"), cube_yaw_rad(self._data, "cube"), *self.mark()])

    def is_success(self) -> bool:
        """Tell whether the cube lies on the mark and the hand does not hold it."""
        return is_laid(self.place_of("cube"), self.mark()) and not holds(
            self.hand_pose, self.opening, self.place_of("cube")
        )

    def progress(self) -> float:
        """Return a third for being at the cube, two thirds for the cube's being near the mark."""
        near = np.exp(-np.linalg.norm(self.hand_pose[:3] - self.place_of("cube")) / 0.1)
        return float((near + 2 * np.exp(-np.linalg.norm(self.place_of("cube")[:2] - self.mark()) / 0.1)) / 3)

    def stages(self) -> dict[str, float]:
        """Return how much is done, 0 to 1, of going to the cube, of holding, moving and placing it."""
        cube, hand = self.place_of("cube"), self.hand_pose
        off_m = float(np.linalg.norm(cube[:2] - self.mark()))
        shares = {
            "reached": nearness(float(np.linalg.norm(hand[:3] - cube)), AT_CUBE_M, FAR_M),
            "held": holds(hand, self.opening, cube),
            "moved": nearness(off_m, MARK_M, APART_M),
            "placed": (off_m <= MARK_M) * nearness(cube[2], CUBE_M, CARRY_M),
        }
        return in_order(shares, self.is_success())

    def plan(self) -> tuple[np.ndarray, float]:
        """Take the cube, carry it to the mark, let it go and rise."""
        return carry(self.hand_pose, self.opening, self.place_of("cube"), cube_yaw_rad(self._data, "cube"), self.mark())


def is_laid(cube: np.ndarray, mark: np.ndarray) -> bool:
    """Tell whether a cube (3,) lies on a mark (2,)."""
    return bool(np.linalg.norm(cube[:2] - mark) <= MARK_M and cube[2] <= CUBE_M)
