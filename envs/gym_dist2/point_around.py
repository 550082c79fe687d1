"""A point must get past a disc to the goal behind it: left and right are equally right, their mean runs into it."""

import numpy as np

from gym_dist2.detour import detour
from gym_dist2.point_mass import EXPERT_STEP_M, POINT_RADIUS_M, PointTask, step_towards
from gym_dist2.stages import in_order, nearness

START = np.array([-0.42, 0.0])
START_SPREAD = np.array([0.02, 0.01])  # half widths
GOAL = np.array([0.40, 0.0])
GOAL_SPREAD = np.array([0.03, 0.06])
OBSTACLE = np.array([-0.05, 0.0])
OBSTACLE_RADIUS_M = 0.18
CLEARANCE_M = 0.05  # between the expert's point and the obstacle


class PointAround(PointTask):
    """Reach the goal behind the obstacle without touching it, within 80 steps; the expert takes about 50.

    ``environment_state`` (4,): goal and obstacle, x and y in m. The obstacle has a fixed place. The goal varies by some
    cm. The start varies by so little, compared with how fast the two ways part, that where the point is does not soon
    tell one way from the other; their mean points at the middle of the obstacle.
    """

    task_description = "Go around the obstacle to the goal."
    time_limit = 80
    modes = 2
    goal_radius_m = 0.04

    def __init__(self, render_mode: str | None = None, render_size: int = 240) -> None:
        names = ["goal_x", "goal_y", "obstacle_x", "obstacle_y"]
        super().__init__(names, 1, [OBSTACLE_RADIUS_M], render_mode, render_size)

    def place(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw start and goal."""
        start = START + START_SPREAD * rng.uniform(-1, 1, 2)
        goal = GOAL + GOAL_SPREAD * rng.uniform(-1, 1, 2)
        return start, goal[None], OBSTACLE[None]

    def environment_state(self) -> np.ndarray:
        """Return goal and obstacle."""
        return np.concatenate([self.goals[0], self.obstacles[0]])

    def stages(self) -> dict[str, float]:
        """Return how much is done, 0 to 1, of getting past the obstacle, and from there into the goal."""
        end_x = self.obstacles[0][0] + OBSTACLE_RADIUS_M
        to_goal = float(np.hypot(*(self.goals[0] - self.position)))
        shares = {
            "passed": nearness(end_x - self.position[0], 0.0, end_x - START[0] - START_SPREAD[0]),
            "reached": nearness(to_goal, self.goal_radius_m, self.goals[0][0] - end_x),
        }
        return in_order(shares, self.is_success())

    def expert_action(self, mode: int | None = None) -> np.ndarray:
        """Return the expert's action: along the tangent to a circle around the obstacle while that is in the way."""
        mode = self.mode if mode is None else mode
        position, goal = self.position, self.goals[0]
        way = detour(position, goal, self.obstacles[0], OBSTACLE_RADIUS_M + POINT_RADIUS_M + CLEARANCE_M, mode)
        return step_towards(goal, position, self.velocity) if way is None else (EXPERT_STEP_M * way).astype(np.float32)
