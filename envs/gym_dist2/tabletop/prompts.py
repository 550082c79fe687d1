"""What to do with things on a table, in words: pick one, turn it, put it somewhere.

Levels of generalisation after VIMA-Bench (Jiang et al. 2023): 1, other places; 2, words that were never together; 3,
things and shades that were never seen.
"""

from dataclasses import dataclass, replace

import numpy as np

from gym_dist2.tabletop.phrases import SIDES
from gym_dist2.tabletop.things import COLOURS, HALF_TABLE_M, SHAPES, Thing, draw_things

LEVELS = (1, 2, 3)
COUNT = 4  # things on the table
TURNS_DEG = (-60, -30, 30, 60)
BESIDE_M = 0.12  # from the middle of the mark
NEW_SHAPES = ("egg", "capsule")  # of level 3, called `thing`
SHADE = 0.55  # of a colour of level 3


@dataclass(frozen=True)
class Prompt:
    """Attributes:
    things: On the table; the first is to be picked, the second is the mark.
    text: What is asked for.
    goal: Where the first is to go, (2,), in m on the table.
    turn_deg: By how much it is to be turned about the vertical.
    """

    things: list[Thing]
    text: str
    goal: np.ndarray
    turn_deg: float


def is_known(shape: str, colour: str) -> bool:
    """Tell whether a pair of words is one of level 1: two thirds of all are, each word with most of the others."""
    return (SHAPES.index(shape) + list(COLOURS).index(colour)) % 3 != 0


def draw_prompt(rng: np.random.Generator, level: int) -> Prompt:
    """Draw things, one to pick, a mark, and where to put it: onto the mark, or beside it; half of the time turned.

    Without articles, so that pairs of neighbouring words tell which colour and which shape is meant by which.

    At level 2 what is picked is of a pair of words that level 1 lacks; at level 3 it is of a shape and a shade that
    level 1 lacks, named by its colour.
    """
    known = [(shape, colour) for shape in SHAPES for colour in COLOURS if is_known(shape, colour)]
    new = [(shape, colour) for shape in SHAPES for colour in COLOURS if not is_known(shape, colour)]
    while True:
        kinds = [known[i] for i in rng.choice(len(known), COUNT, replace=False)]
        if level == 2:
            kinds[0] = new[rng.integers(len(new))]
        things = draw_things(rng, kinds)
        if level == 3:
            shape, picked = NEW_SHAPES[rng.integers(len(NEW_SHAPES))], things[0]
            rgb = tuple(SHADE * part for part in picked.rgb)
            things[0] = replace(picked, shape=shape, word="thing", rgb=(rgb[0], rgb[1], rgb[2]))
        places = {"onto": np.zeros(2)} | {
            side: np.eye(2)[axis] * sign * BESIDE_M for side, (axis, sign) in SIDES.items()
        }
        where = list(places)[rng.integers(len(places))]
        goal = things[1].place + places[where]
        is_alone = sum(thing.colour == things[0].colour for thing in things) == 1
        if np.abs(goal).max() <= HALF_TABLE_M and (level != 3 or is_alone):
            break
    turn = float(TURNS_DEG[rng.integers(len(TURNS_DEG))]) if rng.integers(2) else 0.0
    name, mark = (f"{thing.colour} {thing.word}" for thing in things[:2])
    begin = f"turn {name} by {'minus ' if turn < 0 else ''}{abs(turn):g} degrees and put it" if turn else f"put {name}"
    return Prompt(things, f"{begin} {where} {mark}", goal, turn)
