"""Phrases that name exactly one of the things on a table, by colour, shape, place, or where another thing is."""

from collections.abc import Sequence

from gym_dist2.tabletop.things import Thing

CLEAR_M = 0.03  # what is called left of another thing is so by this much; in between it is in doubt
# Words -> axis of the table, and whether it is towards its positive side.
SIDES = {"left of": (0, -1), "right of": (0, 1), "in front of": (1, -1), "behind": (1, 1)}
MOST = {"leftmost": (0, -1), "rightmost": (0, 1), "nearest": (1, -1), "farthest": (1, 1)}


def by_looks(things: Sequence[Thing], target: Thing) -> list[str]:
    """Return the phrases that tell a thing by colour and shape, the shortest last."""
    same_colour = [thing for thing in things if thing.colour == target.colour]
    same_word = [thing for thing in things if thing.word == target.word]
    both = [thing for thing in same_colour if thing.word == target.word]
    found = []
    if target.word != "thing" and len(both) == 1:
        found.append(f"the {target.colour} {target.word}")
    if len(same_colour) == 1:
        found.append(f"the {target.colour} thing")
    if target.word != "thing" and len(same_word) == 1:
        found.append(f"the {target.word}")
    return found


def by_extreme(things: Sequence[Thing], target: Thing) -> list[str]:
    """Return phrases such as ``the leftmost cube``, where there are several and one is so clearly."""
    found = []
    for word in {"thing": None, target.word: None}:
        others = [thing for thing in things if thing is not target and word in ("thing", thing.word)]
        for most, (axis, sign) in MOST.items():
            ahead = [sign * (target.place[axis] - other.place[axis]) for other in others]
            if ahead and min(ahead) > CLEAR_M:
                found.append(f"the {most} {word}")
    return found


def by_neighbour(things: Sequence[Thing], target: Thing) -> list[str]:
    """Return phrases such as ``the cube left of the red ball``: of several cubes one is, all others clearly not.

    The other thing is of another shape, so that the words alone, whatever their order, tell which is meant.
    """
    if target.word == "thing":
        return []
    rivals = [thing for thing in things if thing is not target and thing.word == target.word]
    found = []
    for mark in things:
        if not rivals or mark.word in ("thing", target.word) or len(_alike(things, mark)) > 1:
            continue
        for side, (axis, sign) in SIDES.items():
            ahead = sign * (target.place[axis] - mark.place[axis])
            if ahead > CLEAR_M and all(sign * (r.place[axis] - mark.place[axis]) < -CLEAR_M for r in rivals):
                found.append(f"the {target.word} {side} the {mark.colour} {mark.word}")
    return found


def _alike(things: Sequence[Thing], one: Thing) -> list[Thing]:
    return [thing for thing in things if (thing.word, thing.colour) == (one.word, one.colour)]
