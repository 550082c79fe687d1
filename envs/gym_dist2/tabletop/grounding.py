"""Where in the picture is the thing that is named? The answer is a box."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from gym_dist2.tabletop.phrases import by_extreme, by_looks, by_neighbour
from gym_dist2.tabletop.table_task import TableTask, outline
from gym_dist2.tabletop.things import Thing, draw_kinds, draw_things

LEAST_IOU = 0.5
LEAST, MOST = 3, 5  # things on the table
TOLERANCE = 0.02  # of the picture


class Grounding(TableTask):
    """Box the thing that a phrase names, such as ``the cube left of the red ball``, which only one thing is.

    Action (4,): left, top, right and bottom of the box, as shares of the picture. Success: it overlaps the true box,
    of the thing whatever hides it, by an IoU of 0.5 or more, which ``info["iou"]`` and the reward tell.
    """

    task_description = "Box the thing that is named."
    dimensions: ClassVar[Sequence[dict[str, Any]]] = [
        {
            "name": name,
            "kind": "ee_position",
            "unit": "of the picture",
            "low": 0.0,
            "high": 1.0,
            "tolerance": TOLERANCE,
        }
        for name in ("left", "top", "right", "bottom")
    ]

    def ask(self, rng: np.random.Generator) -> tuple[list[Thing], str]:
        """Draw three to five things, one of them, and a phrase for it: first which kind of phrase, then which."""
        things = draw_things(rng, draw_kinds(rng, int(rng.integers(LEAST, MOST + 1))))
        self._target = int(rng.integers(len(things)))
        found = [of(things, things[self._target]) for of in (by_looks, by_extreme, by_neighbour)]
        kinds = [some for some in found if some]  # colour and shape always tell
        phrases = kinds[rng.integers(len(kinds))]
        return things, phrases[rng.integers(len(phrases))]

    def begin(self) -> None:
        """Look where the thing is."""
        self._box = np.clip(self.table.box(self._target), 0.0, 1.0)

    def judge(self, action: np.ndarray) -> tuple[bool, float, dict[str, float]]:
        """Compare boxes."""
        overlap = iou(action, self._box)
        return overlap >= LEAST_IOU, overlap, {"iou": overlap}

    def expert_action(self) -> np.ndarray:
        """Return the true box."""
        return self._box.astype(np.float32)

    def mark(self, picture: np.ndarray) -> np.ndarray:
        """Draw the true box in white and the answer in black."""
        if self.answer is not None:
            outline(picture, self._box, (255, 255, 255))
            outline(picture, self.answer, (0, 0, 0))
        return picture


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return intersection over union of two boxes (4,): left, top, right, bottom. A box inside out has no area."""
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0.0, None)
    areas = [float(np.prod(np.clip(box[2:] - box[:2], 0.0, None))) for box in (a, b)]
    shared = float(np.prod(sides))
    union = sum(areas) - shared
    return shared / union if union > 0 else 0.0
