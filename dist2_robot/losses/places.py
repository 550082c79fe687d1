"""Which place of its number each position writes. L positions of a chunk."""

import torch
from torch import Tensor


def places(positions: int, digits: int, device: torch.device) -> Tensor:
    """Return the places (L,) of numbers that are written one after the other: 0 for the last digit of each.

    Raises:
        ValueError: The positions are no whole number of numbers.
    """
    if positions % digits:
        raise ValueError(f"{positions} positions cannot be numbers of {digits} digits each")
    return digits - 1 - torch.arange(positions, device=device) % digits


def places_in_runs(is_digit: Tensor) -> Tensor:
    """Return the places (..., L) in numbers that are runs of digits (..., L): how many digits of the run follow."""
    reversed_ = is_digit.flip(-1).long()
    count = reversed_.cumsum(-1)
    before = (count * (1 - reversed_)).cummax(-1).values  # digits counted up to the last position that is none
    return ((count - before - 1) * reversed_).flip(-1)
