"""Two cubes must be laid on the marks of their colours: either may come first."""

from typing import Any

import numpy as np

from gym_dist2.so101.grasping import carry, holds
from gym_dist2.so101.pick_place import MARK_M, is_laid
from gym_dist2.so101.task import HOME, SO101Task
from gym_dist2.so101.things import BLUE, RED, add_cube, add_mark, apart, cube_yaw_rad, put_cube

CUBES = ("red", "blue")
LOW, HIGH = (0.17, -0.13), (0.27, 0.13)
APART_M = 0.075
YAW_RAD = 0.4


class SortTwo(SO101Task):
    """Lay both cubes on the marks of their colours and let them go, within 260 steps."""

    task_description = "Put each cube on the mark of its colour."
    time_limit = 260
    modes = 2
    thing_names = tuple(f"{cube}_{name}" for cube in CUBES for name in ("x", "y", "z", "yaw", "mark_x", "mark_y"))

    @classmethod
    def furnish(cls, mujoco: Any, spec: Any) -> None:
        """Add cubes and marks."""
        for name, rgba in zip(CUBES, (RED, BLUE), strict=True):
            add_cube(mujoco, spec, name, rgba)
            add_mark(mujoco, spec, f"{name}_mark", MARK_M, (*rgba[:3], 0.5))

    def place(self, rng: np.random.Generator) -> None:
        """Draw where cubes and marks lie."""
        places = apart(rng, LOW, HIGH, 4, APART_M)
        for i, name in enumerate(CUBES):
            put_cube(self._data, name, places[i], rng.uniform(-YAW_RAD, YAW_RAD))
            self._data.mocap_pos[i] = [*places[2 + i], 0.0]

    def things(self) -> np.ndarray:
        """Return each cube's place, yaw and mark."""
        return np.concatenate([[*self._cube(i), self._yaw_rad(i), *self.mark(i)] for i in range(2)])

    def is_success(self) -> bool:
        """Tell whether both cubes lie on their marks and the hand holds neither."""
        return all(
            is_laid(self._cube(i), self.mark(i)) and not holds(self.hand_pose, self.opening, self._cube(i))
            for i in range(2)
        )

    def progress(self) -> float:
        """Return how near the cubes are to their marks, on average."""
        away = [np.linalg.norm(self._cube(i)[:2] - self.mark(i)) for i in range(2)]
        return float(np.mean(np.exp(-np.array(away) / 0.1)))

    def plan(self) -> tuple[np.ndarray, float]:
        """Take the cube of this episode's mode to its mark, then the other."""
        hand = self.hand_pose
        for i in (self.mode, 1 - self.mode):
            laid = is_laid(self._cube(i), self.mark(i)) and np.linalg.norm(hand[:3] - self._cube(i)) > 0.03
            if not laid:
                return carry(hand, self.opening, self._cube(i), self._yaw_rad(i), self.mark(i))
        return hand, HOME[5]

    def _cube(self, i: int) -> np.ndarray:
        return self.place_of(CUBES[i])

    def _yaw_rad(self, i: int) -> float:
        return cube_yaw_rad(self._data, CUBES[i])
