"""A cube must be pushed to a mark with the shut gripper."""

from typing import Any

import numpy as np

from gym_dist2.so101.arm import GRASP_M
from gym_dist2.so101.grasping import AT_CUBE_M, FAR_M, above
from gym_dist2.so101.task import SO101Task
from gym_dist2.so101.things import CUBE_M, add_cube, add_mark, cube_yaw_rad, put_cube
from gym_dist2.stages import in_order, nearness

MARK_M = 0.035  # radius
LOW, HIGH = (0.19, -0.06), (0.23, 0.06)  # of the cube
PUSH_LOW_M, PUSH_HIGH_M, TURN_RAD = 0.06, 0.09, 0.5  # the mark lies so far from the cube, turned at most so far from x
BEHIND_M = 0.045  # from the cube's middle to the hand's, where a push begins
SHUT, HEIGHT_M, HOVER_M = 0.0, 0.016, 0.055


class Push(SO101Task):
    """Push the cube's middle within 3.5 cm of the mark's, within 120 steps."""

    task_description = "Push the red cube onto the green mark."
    time_limit = 120
    thing_names = ("cube_x", "cube_y", "cube_yaw", "mark_x", "mark_y")

    @classmethod
    def furnish(cls, mujoco: Any, spec: Any) -> None:
        """Add cube and mark."""
        add_cube(mujoco, spec, "cube")
        add_mark(mujoco, spec, "mark", MARK_M)

    def place(self, rng: np.random.Generator) -> None:
        """Draw where cube and mark lie; the cube is turned the way it has to go."""
        cube, way, turn = rng.uniform(LOW, HIGH), rng.uniform(PUSH_LOW_M, PUSH_HIGH_M), rng.uniform(-1, 1) * TURN_RAD
        put_cube(self._data, "cube", cube, turn)
        self._data.mocap_pos[0] = [*(cube + way * np.array([np.cos(turn), np.sin(turn)])), 0.0]

    def things(self) -> np.ndarray:
        """Return the cube's place and yaw, and the mark."""
        return np.array([*self.place_of("cube")[:2], cube_yaw_rad(self._data, "cube"), *self.mark()])

    def is_success(self) -> bool:
        """Tell whether the cube is on the mark and stands on the table."""
        return bool(
            np.linalg.norm(self.place_of("cube")[:2] - self.mark()) <= MARK_M and self.place_of("cube")[2] <= CUBE_M
        )

    def progress(self) -> float:
        """Return a third for being at the cube, two thirds for the cube's being near the mark."""
        near = np.exp(-np.linalg.norm(self.hand_pose[:3] - self.place_of("cube")) / 0.1)
        return float((near + 2 * np.exp(-np.linalg.norm(self.place_of("cube")[:2] - self.mark()) / 0.05)) / 3)

    def stages(self) -> dict[str, float]:
        """Return how much is done, 0 to 1, of going to the cube, and of pushing it to the mark."""
        cube = self.place_of("cube")
        stands = cube[2] <= CUBE_M
        shares = {
            "reached": nearness(float(np.linalg.norm(self.hand_pose[:3] - cube)), AT_CUBE_M, FAR_M),
            "pushed": stands * nearness(float(np.linalg.norm(cube[:2] - self.mark())), MARK_M, PUSH_LOW_M),
        }
        return in_order(shares, self.is_success())

    def plan(self) -> tuple[np.ndarray, float]:
        """Go behind the cube, down, and through it towards the mark."""
        hand, cube = self.hand_pose, self.place_of("cube")
        way = self.mark() - cube[:2]
        ahead = way / max(float(np.linalg.norm(way)), 1e-6)
        yaw = float(np.arctan2(ahead[1], ahead[0]))
        tip = hand[:2] - GRASP_M * ahead  # of the shut gripper: the jaws meet at the fixed one
        off = tip - cube[:2]
        along, beside = off @ ahead, off @ np.array([-ahead[1], ahead[0]])
        is_behind = along < -0.012 and abs(beside) < 0.012
        if is_behind and hand[2] < HEIGHT_M + 0.008:
            pose = above(cube[:2] + GRASP_M * ahead, HEIGHT_M, yaw)
        else:
            pose = above(cube[:2] + (GRASP_M - BEHIND_M) * ahead, HEIGHT_M, yaw)
            if np.linalg.norm(hand[:2] - pose[:2]) > 0.006:
                pose[2] = HOVER_M
                if hand[2] < HOVER_M - 0.012:
                    pose[:2] = hand[:2]
        return pose, SHUT
