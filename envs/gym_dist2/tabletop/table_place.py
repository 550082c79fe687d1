"""Pick what is named and put it where it is told, in one answer: where to pick, where to place, how far to turn."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from gym_dist2.tabletop.prompts import LEVELS, Prompt, draw_prompt
from gym_dist2.tabletop.table import CAMERA
from gym_dist2.tabletop.table_task import TableTask, outline
from gym_dist2.tabletop.things import Thing

PICK, PLACE = 0.06, 0.07  # how far off it may be picked and put, as shares of the picture: about its radius
TURN_DEG = 10.0  # how far off it may be turned
_PLACES = ("pick_x", "pick_y", "place_x", "place_y")


class TablePlace(TableTask):
    """Do what a prompt says, such as ``turn red cube by 30 degrees and put it left of blue can``.

    Action (5,): where to pick and where to place, as shares of the picture, x to the right and y down, and how far to
    turn, in degrees, of a circle. Success: the pick is within 0.06 of the thing's middle, the place within 0.07 of
    where it should go (3 cm), the turn within 10 degrees. The reward is the share of these three.

    Args:
        level: 1: other places; 2: words that are never together at level 1; 3: things and shades that are not there.
        rest: As `TableTask`.
    """

    task_description = "Pick what is named and put it where it is told."
    dimensions: ClassVar[Sequence[dict[str, Any]]] = [
        *(
            {"name": n, "kind": "ee_position", "unit": "of the picture", "low": 0.0, "high": 1.0, "tolerance": 0.02}
            for n in _PLACES
        ),
        {
            "name": "turn",
            "kind": "ee_rotation",
            "unit": "deg",
            "low": -180.0,
            "high": 180.0,
            "wraps": True,
            "tolerance": 2.0,
        },
    ]
    _prompt: Prompt

    def __init__(
        self,
        level: int = 1,
        cameras: Sequence[str] = (CAMERA,),
        image_size: int | Sequence[int] = 64,
        render_mode: str | None = None,
        render_size: int = 240,
    ) -> None:
        if level not in LEVELS:
            raise ValueError(f"level must be one of {LEVELS}, got {level!r}")
        self.level = level
        super().__init__(cameras, image_size, render_mode, render_size)

    def ask(self, rng: np.random.Generator) -> tuple[list[Thing], str]:
        """Draw a prompt; what is picked is the first thing."""
        self._prompt = draw_prompt(rng, self.level)
        return self._prompt.things, self._prompt.text

    def judge(self, action: np.ndarray) -> tuple[bool, float, dict[str, float]]:
        """Compare with what was asked for, in the picture."""
        error = action - self.expert_action()
        pick, place = (float(np.hypot(*error[i : i + 2])) for i in (0, 2))
        turn = float(abs((error[4] + 180) % 360 - 180))
        right = [pick <= PICK, place <= PLACE, turn <= TURN_DEG]
        numbers = {"pick_error": pick, "place_error": place, "turn_error_deg": turn}
        return all(right), sum(right) / 3, numbers

    def points(self) -> np.ndarray:
        """Return where the two things that the prompt names are seen, (2, 2), as shares."""
        return self.table.project(np.array([[*t.place, t.half_height_m] for t in self.things[:2]]))

    def expert_action(self) -> np.ndarray:
        """Return the middle of the thing as it is seen, where it should go, and its turn."""
        thing, goal = self.things[0], self._prompt.goal
        places = self.table.project(np.array([[*thing.place, thing.half_height_m], [*goal, 0.0]]))
        return np.array([*places.flatten(), self._prompt.turn_deg], np.float32)

    def mark(self, picture: np.ndarray) -> np.ndarray:
        """Draw where was picked in white, and where it was put in black."""
        if self.answer is not None:
            for start, rgb in ((0, (255, 255, 255)), (2, (0, 0, 0))):
                place = self.answer[start : start + 2]
                outline(picture, np.concatenate([place - 0.02, place + 0.02]), rgb)
        return picture
