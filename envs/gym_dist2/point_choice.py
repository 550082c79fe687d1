"""A point must go to one of three goals: all are equally right, and neither mean nor median of the three is."""

import numpy as np

from gym_dist2.point_mass import PointTask, step_towards

START_SPREAD_M = 0.005  # half width, around the middle
GOALS_AT_M = 0.38  # from the middle
PITS_AT_M = 0.20
PIT_RADIUS_M = 0.09
FIRST_GOAL_DEG = 90.0
ROTATION_SPREAD_DEG = 5.0  # half width


class PointChoice(PointTask):
    """Reach any of three goals, 120 degrees apart, within 30 steps; the expert takes about 18.

    ``environment_state`` (6,): the three goals, x and y in m each. In the middle between two goals lies a pit, opposite
    the third; whoever falls into it has failed.

    An L1 regression answers with the median of each dimension. Of two ways that is one of them, so two do not show what
    is wrong with it. Of three it is not: with a goal straight up, the directions are (0, 1) and (+-0.87, -0.5), and
    their medians (0, -0.5) lead into the lower pit. That holds for small rotations of the three goals, but at 15
    degrees (and every 30 from there) the medians point at a goal. So the rotation varies by 5 degrees only: enough
    that the goals must be looked at, and the medians stay within 17 degrees of the middle of the pit, which takes up
    33 to either side. The mean of the three is to stay, which the time limit punishes. And since both coordinates name
    the goal together, choosing each by itself may put together parts of two ways.
    """

    task_description = "Go to one of the three goals."
    time_limit = 30
    modes = 3
    goal_radius_m = 0.04

    def __init__(self, render_mode: str | None = None, render_size: int = 240) -> None:
        names = [f"goal_{i}_{axis}" for i in range(3) for axis in "xy"]
        super().__init__(names, 3, [PIT_RADIUS_M] * 3, render_mode, render_size)

    def place(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw the start and the rotation of goals and pits."""
        start = START_SPREAD_M * rng.uniform(-1, 1, 2)
        first = np.deg2rad(FIRST_GOAL_DEG + ROTATION_SPREAD_DEG * rng.uniform(-1, 1))
        angles = first + np.deg2rad([0.0, 120.0, 240.0])
        directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)  # (3, 2)
        return start, GOALS_AT_M * directions, -PITS_AT_M * directions

    def environment_state(self) -> np.ndarray:
        """Return the goals."""
        return self.goals.reshape(-1)

    def expert_action(self, mode: int | None = None) -> np.ndarray:
        """Return the expert's action: straight to the goal of the mode."""
        return step_towards(self.goals[self.mode if mode is None else mode], self.position, self.velocity)
