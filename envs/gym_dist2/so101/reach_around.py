"""The hand must get to a target behind a post: left and right are equally right, their mean runs into it."""

from typing import Any

import numpy as np

from gym_dist2.detour import detour
from gym_dist2.so101.arm import GRASP_M, THING_TOUCH
from gym_dist2.so101.grasping import above
from gym_dist2.so101.task import EXPERT_STEP, SO101Task
from gym_dist2.so101.things import RED, add_mark

POST = np.array([0.2, 0.0])
POST_RADIUS_M, POST_HEIGHT_M = 0.02, 0.06  # the palm passes over it, the fingers do not
MARK_M = 0.02  # radius
START, START_SPREAD = np.array([0.14, 0.0]), np.array([0.005, 0.003])  # of the hand, and half widths
LOW, HIGH = (0.26, -0.03), (0.28, 0.03)  # of the mark
HAND_Z_M = 0.035
CLEARANCE_M = 0.032  # from the post to the middle of the shut fingers, which are about 3 cm deep
SHUT = 5.0


class ReachAround(SO101Task):
    """Bring the shut fingers over the mark behind the post without touching that, within 80 steps.

    Whether the expert passes left or right is drawn anew in every episode, and nothing that is seen tells.
    """

    task_description = "Reach the green mark behind the post without touching the post."
    time_limit = 80
    modes = 2
    thing_names = ("mark_x", "mark_y", "post_x", "post_y")

    @classmethod
    def furnish(cls, mujoco: Any, spec: Any) -> None:
        """Add mark and post."""
        add_mark(mujoco, spec, "mark", MARK_M)
        spec.worldbody.add_geom(
            name="post",
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            pos=[*POST, POST_HEIGHT_M / 2],
            size=[POST_RADIUS_M, POST_HEIGHT_M / 2, 0],
            rgba=RED,
            contype=THING_TOUCH[0],
            conaffinity=THING_TOUCH[1],
        )

    def place(self, rng: np.random.Generator) -> None:
        """Draw where the hand starts and where the mark lies."""
        start = above(START + START_SPREAD * rng.uniform(-1, 1, 2), HAND_Z_M)
        self.put_hand(start, SHUT)
        self._data.mocap_pos[0] = [*rng.uniform(LOW, HIGH), 0.0]

    def things(self) -> np.ndarray:
        """Return mark and post."""
        return np.concatenate([self.mark(), POST])

    def is_failure(self) -> bool:
        """Tell whether the post is touched."""
        post = self._model.geom("post").id
        return any(post in self._data.contact[i].geom for i in range(self._data.ncon))

    def is_success(self) -> bool:
        """Tell whether the fingers are over the mark."""
        return bool(np.linalg.norm(self.fingers - self.mark()) <= MARK_M)

    def progress(self) -> float:
        """Return 1 at the mark, less the farther from it."""
        return float(np.exp(-np.linalg.norm(self.fingers - self.mark()) / 0.1))

    def plan(self) -> tuple[np.ndarray, float]:
        """Go straight to the mark, or along a tangent to a circle round the post while that is in the way."""
        hand = self.hand_pose
        fingers = self.fingers
        way = detour(fingers, self.mark(), POST, POST_RADIUS_M + CLEARANCE_M, self.mode)
        to = self.mark() if way is None else fingers + 3 * EXPERT_STEP[0] * way
        return above(to + hand[:2] - fingers, HAND_Z_M), SHUT

    @property
    def fingers(self) -> np.ndarray:
        """Where the middle of the shut fingers is, (2,): nearer to the arm than the hand's site."""
        hand = self.hand_pose
        out = hand[:2] - np.array([0.0388, 0.0])
        return hand[:2] - GRASP_M * out / np.linalg.norm(out)
