"""Action columns that never move in the recordings: found, left out of what is predicted, and put back.

A action dimensions, M of them move.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.errors import InputError


def with_constants(spec: ActionSpec, actions: Tensor) -> ActionSpec:
    """Return the spec with ``constant`` set where all recorded actions (N, A) are exactly the same.

    Give all frames that are read, the held-out ones too, as limits are taken from: the spec, and with it how many
    tokens a chunk has, then does not depend on which episodes are held out, and no column is sent as a constant that
    is known to move. A constant beyond the limits, which would be clipped, widens them.

    Raises:
        InputError: No column moves.
    """
    if not len(actions):
        return spec
    values, never_moves = actions[0].tolist(), (actions == actions[0]).all(dim=0).tolist()
    dimensions = zip(spec.dimensions, values, never_moves, strict=True)
    found = replace(spec, dimensions=tuple(_with_constant(d, x if still else None) for d, x, still in dimensions))
    _ = found.moving  # refuses recordings in which nothing moves
    return found


def _with_constant(d: ActionDimension, value: float | None) -> ActionDimension:
    if value is None or d.wraps:
        return replace(d, constant=value)
    return replace(d, constant=value, low=min(d.low, value), high=max(d.high, value))


def count_dimensions(spec: ActionSpec) -> str:
    """Return how many action dimensions there are, and how many of them are constant, in words."""
    constant = sum(d.constant is not None for d in spec.dimensions)
    still = f", {constant} of which never move and are sent as recorded," if constant else ""
    return f"{len(spec)} action dimensions{still}"


def check_constants(spec: ActionSpec, actions: Tensor, name: str) -> None:
    """Raise InputError where recorded actions (N, A) move, or stand elsewhere, in a dimension that is constant."""
    for d, column in zip(spec.dimensions, actions.T, strict=True):
        if d.constant is not None and bool((column != d.constant).any()):
            raise InputError(
                f"the policy was trained where action '{d.name}' never moves from {d.constant:g}, and can send nothing "
                f"else; in '{name}' it is {column.min():g} to {column.max():g}: train a new policy on all of the data"
            )


class MovingColumns(nn.Module):
    """Takes the columns that move out of actions, and puts the constant ones back.

    Without constants both return what they are given.
    """

    moving: Tensor
    constants: Tensor
    order: Tensor

    def __init__(self, spec: ActionSpec) -> None:
        """Raises InputError where nothing moves."""
        super().__init__()
        constants = [d.constant for d in spec.dimensions]
        moving = [i for i, x in enumerate(constants) if x is None]
        still = [i for i, x in enumerate(constants) if x is not None]
        self.spec, self.all_move = spec.moving, not still
        places = {column: place for place, column in enumerate([*moving, *still])}
        self.register_buffer("moving", torch.tensor(moving), persistent=False)  # (M,)
        values = torch.tensor([x for x in constants if x is not None], dtype=torch.float64)
        self.register_buffer("constants", values, persistent=False)  # (A - M,)
        order = torch.tensor([places[i] for i in range(len(spec))])
        self.register_buffer("order", order, persistent=False)  # (A,), where each is once the constants come last

    def take(self, actions: Tensor) -> Tensor:
        """Return the columns that move, (..., M), of actions (..., A)."""
        return actions if self.all_move else actions.index_select(-1, self.moving)

    def put_back(self, moving: Tensor, value: float | None = None) -> Tensor:
        """Return (..., A): the columns that move (..., M), and the constants, or a value in their place."""
        if self.all_move:
            return moving
        rest = self.constants if value is None else torch.full_like(self.constants, value)
        rest = rest.to(moving.dtype).expand(*moving.shape[:-1], -1)
        return torch.cat([moving, rest], dim=-1).index_select(-1, self.order)
