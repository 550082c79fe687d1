"""Things that lie on a table: what they are, what they are called, and where a scene has them.

The table's x points to the right in the picture, y away from the camera, z up; in m from its middle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SHAPES = ("cube", "ball", "can", "plate")
COLOURS: Mapping[str, tuple[float, float, float]] = {
    "red": (0.85, 0.15, 0.12),
    "green": (0.15, 0.65, 0.22),
    "blue": (0.12, 0.3, 0.85),
    "yellow": (0.95, 0.85, 0.15),
    "purple": (0.55, 0.2, 0.7),
    "white": (0.97, 0.97, 0.97),
}
HALF_TABLE_M = 0.2  # things lie within
SIZES_M = (0.03, 0.045)  # half the width of a thing
GAP_M = 0.115  # between the middles of things, at least
PLATE_WIDENS, PLATE_HEIGHT_M = 1.25, 0.006  # its radius by the size, and half its height


@dataclass(frozen=True)
class Thing:
    """Attributes:
    shape: What it is.
    word: What it is called, one of `SHAPES`, or ``thing`` where it has no name of its own.
    colour: One of `COLOURS`.
    rgb: Its exact colour, 0 to 1.
    size_m: Half its width, and its height but for plates.
    place: Its middle seen from above, (2,), in m.
    yaw_rad: How far it is turned about the vertical.
    """

    shape: str
    word: str
    colour: str
    rgb: tuple[float, float, float]
    size_m: float
    place: np.ndarray
    yaw_rad: float

    @property
    def half_height_m(self) -> float:
        return PLATE_HEIGHT_M if self.shape == "plate" else self.size_m

    @property
    def radius_m(self) -> float:
        """How far it reaches from its middle at most, seen from above, but for the corners of a cube."""
        return self.size_m * (PLATE_WIDENS if self.shape == "plate" else 1.0)


def draw_things(rng: np.random.Generator, kinds: Sequence[tuple[str, str]]) -> list[Thing]:
    """Draw size, place and turn of things of some shapes and colours.

    Places are drawn again until all are `GAP_M` apart, so how many numbers are used varies from seed to seed.

    Args:
        rng: Of all draws.
        kinds: Of each thing its shape and colour.
    """
    sizes = rng.uniform(*SIZES_M, len(kinds))
    turns = rng.uniform(0.0, np.pi / 2, len(kinds))
    while True:
        places = rng.uniform(-HALF_TABLE_M, HALF_TABLE_M, (len(kinds), 2))
        gaps = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.eye(len(kinds))
        if gaps.min() >= GAP_M:
            break
    return [
        Thing(shape, shape, colour, COLOURS[colour], float(size), place, float(turn))
        for (shape, colour), size, place, turn in zip(kinds, sizes, places, turns, strict=True)
    ]


def draw_kinds(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    """Draw shapes and colours, no two things alike in both."""
    every = [(shape, colour) for shape in SHAPES for colour in COLOURS]
    return [every[i] for i in rng.choice(len(every), count, replace=False)]
