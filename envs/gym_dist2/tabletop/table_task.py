"""What tasks of one step about a picture of a table share."""

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from gym_dist2.pictures import picture_size
from gym_dist2.tabletop.table import CAMERA, Table
from gym_dist2.tabletop.things import Thing

RATE_HZ = 1.0  # of answers: there is but one in an episode


class TableTask(gym.Env):
    """Base: each reset lays new things on a table and asks for something in words; one action answers.

    Observation: ``pixels``, one picture from the camera ``front``, drawn once a reset. What is asked for is
    ``task_description``, another one in each episode. Scene and words are functions of the seed.

    Args:
        cameras: ``(front,)``; there is no other.
        image_size: Height and width of the observed picture: one number for a square, or both.
        render_mode: ``rgb_array`` to allow `render`.
        render_size: Height and width of what `render` returns.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": RATE_HZ}  # noqa: RUF012 gymnasium's convention
    time_limit: ClassVar[int] = 1  # in steps
    task_description: str
    dimensions: ClassVar[Sequence[dict[str, Any]]]

    def __init__(
        self,
        cameras: Sequence[str] = (CAMERA,),
        image_size: int | Sequence[int] = 64,
        render_mode: str | None = None,
        render_size: int = 240,
    ) -> None:
        if tuple(cameras) != (CAMERA,):
            raise ValueError(f"cameras must be [{CAMERA}], the only one, got {list(cameras)}")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        self.image_size, self.render_mode, self.render_size = image_size, render_mode, render_size
        self.table = Table(max(*picture_size(image_size), render_size))
        self.things: list[Thing] = []
        self.answer: np.ndarray | None = None
        self._max_episode_steps, self.task = self.time_limit, type(self).__name__
        self.metadata = {
            **type(self).metadata,
            "action_spec": {
                "dimensions": [dict(dimension) for dimension in self.dimensions],
                "control_mode": "absolute",
                "rate_hz": RATE_HZ,
                "source": "environment",
            },
            "observation_names": {},
            "observation_units": {},
        }
        self._low, self._high = (np.array([d[side] for d in self.dimensions], np.float32) for side in ("low", "high"))
        self.action_space = gym.spaces.Box(self._low, self._high)
        picture = gym.spaces.Box(0, 255, (*picture_size(image_size), 3), np.uint8)
        self.observation_space = gym.spaces.Dict({"pixels": gym.spaces.Dict({CAMERA: picture})})

    def ask(self, rng: np.random.Generator) -> tuple[list[Thing], str]:
        """Draw the things and what is asked for. Things that a question needs are kept by the task."""
        raise NotImplementedError

    def begin(self) -> None:
        """Take note of what the right answer is, once the things lie there."""

    def judge(self, action: np.ndarray) -> tuple[bool, float, dict[str, float]]:
        """Return whether an answer is right, its reward, 0 to 1, and numbers for ``info``."""
        raise NotImplementedError

    def expert_action(self) -> np.ndarray:
        """Return the right answer."""
        raise NotImplementedError

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Start the episode of a seed, or of a random one."""
        super().reset(seed=seed)
        self.things, self.task_description = self.ask(self.np_random)
        self.table.lay(self.things)
        self.begin()
        self.answer = None
        self._seen = {"pixels": {CAMERA: self.table.draw(self.image_size)}}
        return self._seen, {"is_success": False}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        """Judge an answer, clipped to the limits, and end the episode."""
        action = np.asarray(action, np.float64)
        if not np.isfinite(action).all():
            error = f"the action is not finite: {action.tolist()}"
            return self._seen, 0.0, False, True, {"is_success": False, "simulation_error": error}
        self.answer = np.clip(action, self._low, self._high)
        is_success, reward, numbers = self.judge(self.answer)
        return self._seen, reward, True, False, {"is_success": is_success, **numbers}

    def close(self) -> None:
        """Free the drawing contexts."""
        self.table.close()

    def render(self) -> np.ndarray | None:
        """Return the picture, with the answer in it once there is one, (render_size, render_size, 3)."""
        return None if self.render_mode is None else self.mark(self.table.draw(self.render_size).copy())

    def mark(self, picture: np.ndarray) -> np.ndarray:
        """Draw the answer, if there is one, into a picture."""
        raise NotImplementedError


def outline(picture: np.ndarray, box: np.ndarray, rgb: tuple[int, int, int]) -> None:
    """Draw a box, (4,) shares of the picture, as a line two pixels wide."""
    size = len(picture)
    left, top, right, bottom = np.clip(np.round(box * size).astype(int), 0, size - 1)
    for edge in (slice(top, top + 2), slice(max(bottom - 1, 0), bottom + 1)):
        picture[edge, left : right + 1] = rgb
    for edge in (slice(left, left + 2), slice(max(right - 1, 0), right + 1)):
        picture[top : bottom + 1, edge] = rgb
